import { Button, Group, Modal, Stack } from '@mantine/core';
import type { ReactNode } from 'react';
import type { useSend } from './queries.js';
import { Refusal } from './ui.js';

/** A question before something is done: what it does, a way back, and a button that says it. Closes once it is done. */
export function Ask({
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
  send: ReturnType<typeof useSend<unknown>>;
  close: () => void;
  whenDone?: () => void;
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
