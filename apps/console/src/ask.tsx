import { Button, Group, Modal, Select, Stack, Textarea, TextInput } from '@mantine/core';
import type { ReactNode } from 'react';
import type { useSend } from './queries.js';
import type { Provider } from './types.js';
import { Refusal } from './ui.js';

/** A question before something is done: what it does, a way back, and a button that says it. Closes once it is done. */
export function Ask<Answer>({
  title,
  button,
  send,
  close,
  whenDone = close,
  isFinal = true,
  isIncomplete = false,
  error = send.error,
  size = 'md',
  children,
}: {
  title: string;
  button: string;
  send: ReturnType<typeof useSend<Answer>>;
  close: () => void;
  whenDone?: (answer: Answer) => void;
  /** Whether it ends something; its button is red then. */
  isFinal?: boolean;
  /** Whether something has to be filled in first. */
  isIncomplete?: boolean;
  /** What is said below; null where a field says it. */
  error?: Error | null;
  size?: 'md' | 'lg';
  children: ReactNode;
}) {
  return (
    <Modal opened onClose={close} title={title} size={size}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          send.mutate(undefined, { onSuccess: whenDone });
        }}
      >
        <Stack>
          {children}
          <Refusal error={error} />
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button
              type="submit"
              {...(isFinal ? { color: 'red.9' } : {})}
              loading={send.isPending}
              disabled={isIncomplete}
            >
              {button}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** What came of it, where there is something to be read; it goes away by its button alone where it is said only once. */
export function Done({
  title,
  button = 'Close',
  isSaidOnce = false,
  close,
  children,
}: {
  title: string;
  button?: string;
  isSaidOnce?: boolean;
  close: () => void;
  children: ReactNode;
}) {
  return (
    <Modal opened onClose={close} title={title} closeOnClickOutside={!isSaidOnce} closeOnEscape={!isSaidOnce}>
      <Stack>
        {children}
        <Button onClick={close}>{button}</Button>
      </Stack>
    </Modal>
  );
}

/** Somebody's own words, which are kept with what they do. */
export function InWords({
  label = 'Reason',
  description,
  placeholder,
  isLong = false,
  words,
  setWords,
}: {
  label?: string;
  description?: string;
  placeholder?: string;
  isLong?: boolean;
  words: string;
  setWords: (words: string) => void;
}) {
  const Field = isLong ? Textarea : TextInput;
  return (
    <Field
      label={label}
      description={description}
      placeholder={placeholder}
      value={words}
      onChange={({ currentTarget }: { currentTarget: { value: string } }) => setWords(currentTarget.value)}
      maxLength={200}
      required
      data-autofocus
    />
  );
}

/** For what nobody should do by accident: its name is typed. */
export function TypedName({
  name,
  typed,
  setTyped,
}: {
  name: string;
  typed: string;
  setTyped: (typed: string) => void;
}) {
  return (
    <TextInput
      label={`Type ${name} to go on`}
      value={typed}
      onChange={({ currentTarget }) => setTyped(currentTarget.value)}
      autoComplete="off"
      data-autofocus
    />
  );
}

/** Which identity provider it is about. */
export function OfProvider({
  providers,
  id,
  setId,
}: {
  providers: readonly Provider[];
  id: string | undefined;
  setId: (id: string | null) => void;
}) {
  return (
    <Select
      label="Identity provider"
      data={providers.map((provider) => ({ value: provider.id, label: provider.name }))}
      value={id ?? null}
      onChange={setId}
      allowDeselect={false}
    />
  );
}
