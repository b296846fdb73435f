import {
  ActionIcon,
  Alert,
  Badge,
  Button,
  Center,
  CopyButton,
  Group,
  Loader,
  Paper,
  Skeleton,
  Stack,
  Text,
  Title,
  Tooltip,
} from '@mantine/core';
import type { UseInfiniteQueryResult, InfiniteData, UseQueryResult } from '@tanstack/react-query';
import { type ReactNode, useEffect, useSyncExternalStore } from 'react';
import { ApiProblem, isAbsent, isNotInstalled, sentence } from './api.js';
import { Icon, type IconName } from './icons.js';
import { To } from './links.js';
import { CANARY, useProviders } from './queries.js';
import { meaningOf } from './reasons.js';
import type { Page } from './types.js';

export function PageHead({ title, lead, actions }: { title: string; lead?: ReactNode; actions?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Rescind`;
  }, [title]);
  return (
    <Group justify="space-between" align="flex-start" mb="lg" gap="sm">
      <div style={{ flex: '1 1 320px' }}>
        <Title order={1} size="h2" style={{ overflowWrap: 'anywhere' }}>
          {title}
        </Title>
        {lead && (
          <Text c="dimmed" size="sm" mt={4} maw={720}>
            {lead}
          </Text>
        )}
      </div>
      {actions && <Group gap="xs">{actions}</Group>}
    </Group>
  );
}

export function Section({ title, actions, children }: { title: string; actions?: ReactNode; children: ReactNode }) {
  return (
    <section aria-label={title}>
      <Group justify="space-between" mb="xs" mt="lg">
        <Title order={2} size="h4">
          {title}
        </Title>
        {actions}
      </Group>
      {children}
    </section>
  );
}

/** One thing to know, large, under its name. */
export function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <Paper p="md">
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      <Text fw={650} size="lg" component="div">
        {children}
      </Text>
    </Paper>
  );
}

/** The three things that can stand in place of what was asked for: nothing yet, nothing at all, a failure. */
export function Empty({ icon = 'check', title, children }: { icon?: IconName; title: string; children?: ReactNode }) {
  return (
    <Center py={48} px="md">
      <Stack align="center" gap={6} maw={460} ta="center">
        <Text c="dimmed" component="span">
          <Icon name={icon} size={28} />
        </Text>
        <Text fw={600}>{title}</Text>
        {children && (
          <Text c="dimmed" size="sm" component="div">
            {children}
          </Text>
        )}
      </Stack>
    </Center>
  );
}

export function Failed({ error, again }: { error: unknown; again?: () => unknown }) {
  if (isNotInstalled(error)) {
    return (
      <Empty icon="plug" title="Not part of this installation">
        {error.sentence}
      </Empty>
    );
  }
  if (isAbsent(error)) {
    return (
      <Empty icon="clock" title="Not part of this installation yet">
        The service behind this page does not answer this question. A newer version of it does.
      </Empty>
    );
  }
  if (error instanceof ApiProblem && error.status === 404) {
    return (
      <Empty icon="search" title="There is no such thing here">
        {error.sentence}
      </Empty>
    );
  }
  return (
    <Alert color="red" icon={<Icon name="alert" />} title="This could not be loaded" m="md" role="alert">
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{sentence(error)}</Text>
        {again && (
          <Button
            size="xs"
            variant="default"
            onClick={() => void again()}
            leftSection={<Icon name="again" size={14} />}
          >
            Ask again
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

/** A refusal beside the form that was sent. */
export function Refusal({ error }: { error: unknown }) {
  if (!error) return null;
  return (
    <Alert color="red" icon={<Icon name="alert" />} role="alert">
      {sentence(error)}
    </Alert>
  );
}

export function Loading({ rows = 4 }: { rows?: number }) {
  return (
    <Stack gap="sm" p="md" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton key={row} height={18} radius="sm" width={`${92 - ((row * 17) % 40)}%`} />
      ))}
    </Stack>
  );
}

/** What one question answered, or what stands in its place. What was answered before does not pass for what is so now. */
export function Answered<T>({ query, children }: { query: UseQueryResult<T>; children: (data: T) => ReactNode }) {
  const isGone = query.error instanceof ApiProblem && query.error.status === 404;
  return (
    <>
      {query.isError && <Failed error={query.error} again={query.refetch} />}
      {query.data !== undefined && !isGone && children(query.data)}
      {query.isPending && <Loading />}
    </>
  );
}

/** The same within a line. */
export function Known<T>({ query, children }: { query: UseQueryResult<T>; children: (data: T) => ReactNode }) {
  if (query.data !== undefined && !query.isError) return <>{children(query.data)}</>;
  return (
    <Text span inherit c="dimmed">
      {query.isError ? 'not known' : '…'}
    </Text>
  );
}

export interface Column<T> {
  title: string;
  cell: (row: T) => ReactNode;
  /** As narrow as what is in it. */
  narrow?: boolean;
}

export function Table<T>({
  label,
  rows,
  columns,
  keyOf,
}: {
  label: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  keyOf: (row: T) => string;
}) {
  return (
    <div className="scrolls">
      <table className="table" aria-label={label}>
        <thead>
          <tr>
            {columns.map(({ title, narrow }) => (
              <th key={title} scope="col" className={narrow ? 'narrow' : undefined}>
                {title || <span className="sr">Actions</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(({ title, cell, narrow }) => {
                const content = cell(row);
                return (
                  <td
                    key={title}
                    data-label={title}
                    data-none={content === '—' || content === null}
                    className={narrow ? 'narrow' : undefined}
                  >
                    <div>{content}</div>
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A list of any length: loading, failed, empty, its pages. */
export function List<T>({
  list,
  label,
  columns,
  keyOf,
  empty,
}: {
  list: UseInfiniteQueryResult<InfiniteData<Page<T>>>;
  label: string;
  columns: readonly Column<T>[];
  keyOf: (row: T) => string;
  empty: ReactNode;
}) {
  const rows = list.data?.pages.flatMap(({ data }) => data);
  return (
    <Paper aria-busy={list.isFetching} style={{ opacity: list.isPlaceholderData ? 0.6 : 1 }}>
      {rows === undefined ? (
        list.isError ? (
          <Failed error={list.error} again={list.refetch} />
        ) : (
          <Loading rows={8} />
        )
      ) : (
        <>
          {list.isError && <Failed error={list.error} again={list.refetch} />}
          {rows.length === 0 && list.hasNextPage ? (
            <Text p="md" size="sm" c="dimmed" ta="center">
              None among those looked through so far.
            </Text>
          ) : rows.length === 0 ? (
            empty
          ) : (
            <Table label={label} rows={rows} columns={columns} keyOf={keyOf} />
          )}
          {list.hasNextPage && (
            <Center p="sm">
              <Button
                variant="default"
                size="xs"
                loading={list.isFetchingNextPage}
                onClick={() => void list.fetchNextPage()}
              >
                Show more
              </Button>
            </Center>
          )}
        </>
      )}
    </Paper>
  );
}

const COLOR: Record<string, string> = {
  active: 'teal',
  applied: 'indigo',
  enabled: 'teal',
  delivered: 'teal',
  refused: 'red',
  disabled: 'gray',
  complete: 'teal',
  ready: 'teal',
  confirmed: 'red',
  undone: 'gray',
  revoked: 'red',
  deleted: 'red',
  closed: 'orange',
  inactive: 'orange',
  pending: 'blue',
  paused: 'yellow',
  waiting: 'yellow',
  behind: 'orange',
  not_ready: 'red',
  running: 'blue',
  done: 'teal',
  stopped: 'orange',
  failed: 'red',
  shadow: 'yellow',
  unknown_type: 'yellow',
};

export function Status({ of, children }: { of: string; children?: ReactNode }) {
  return <Badge color={COLOR[of] ?? 'gray'}>{children ?? of.replaceAll('_', ' ')}</Badge>;
}

/** A reason by its name, and what it means under the pointer. */
export function Reason({ code }: { code: string }) {
  const { title, means } = meaningOf(code);
  return means ? (
    <Tooltip label={means} multiline maw={320} withArrow events={{ hover: true, focus: true, touch: true }}>
      <span tabIndex={0} style={{ textDecoration: 'underline dotted', textUnderlineOffset: 3 }}>
        {title}
      </span>
    </Tooltip>
  ) : (
    <span>{title}</span>
  );
}

export function Copy({ text, what }: { text: string; what: string }) {
  return (
    <CopyButton value={text} timeout={1_500}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? 'Copied' : `Copy ${what}`} withArrow>
          <ActionIcon
            variant="subtle"
            color={copied ? 'teal' : 'gray'}
            size="sm"
            onClick={copy}
            aria-label={copied ? 'Copied' : `Copy ${what}`}
          >
            <Icon name={copied ? 'check' : 'copy'} size={14} />
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  );
}

/** Something to be pasted elsewhere. */
export function CopyLine({ text, what }: { text: string; what: string }) {
  return (
    <Paper px="sm" py={6} bg="var(--rescind-ground)">
      <Group justify="space-between" wrap="nowrap" gap="xs">
        <span className="mono" style={{ overflowWrap: 'anywhere' }}>
          {text}
        </span>
        <Copy text={text} what={what} />
      </Group>
    </Paper>
  );
}

/** An id: its beginning and its end, the whole of it under the pointer and to be copied. */
export function Id({ id, children }: { id: string; children?: ReactNode }) {
  return (
    <span className="id">
      <span className="mono" title={id}>
        {children ?? shortId(id)}
      </span>
      <Copy text={id} what="the id" />
    </span>
  );
}

export const shortId = (id: string): string => (id.length > 22 ? `${id.slice(0, 12)}…${id.slice(-6)}` : id);

export function UserLink({ id, provider, name }: { id: string; provider: string; name?: string | null | undefined }) {
  return (
    <To to="/users/$userId" params={{ userId: id }} search={{ provider_id: provider }} size="sm" title={id}>
      {name || <span className="mono">{shortId(id)}</span>}
    </To>
  );
}

export function EventLink({ id, provider }: { id: string; provider?: string | null | undefined }) {
  return (
    <To
      to="/events/$eventId"
      params={{ eventId: id }}
      search={provider ? { provider_id: provider } : {}}
      size="sm"
      title={id}
    >
      <span className="mono">{shortId(id)}</span>
    </To>
  );
}

/** Who did something: the name of a key, or an address, which may be long. */
export const Who = ({ name }: { name: string | null }) => (
  <span style={name !== null && name.length > A_WORD ? { overflowWrap: 'anywhere' } : undefined}>{name}</span>
);
/** What is no longer stays whole, so that `workos` does not become two lines. */
const A_WORD = 12;

/** A provider by its name. */
export function ProviderName({ id }: { id: string }) {
  const name = useProviders().data?.data.find((provider) => provider.id === id)?.name;
  if (id === CANARY) return <span title={id}>the canary</span>;
  return name ? <span title={id}>{name}</span> : <span className="mono">{shortId(id)}</span>;
}

const TICK_MS = 5_000;
let tick = Date.now();
const ticking = new Set<() => void>();
let clock: ReturnType<typeof setInterval> | undefined;
function onTick(listener: () => void): () => void {
  ticking.add(listener);
  clock ??= setInterval(() => {
    tick = Date.now();
    for (const each of ticking) each();
  }, TICK_MS);
  return () => {
    ticking.delete(listener);
    if (ticking.size > 0) return;
    clearInterval(clock);
    clock = undefined;
  };
}

/** A moment as people say it, and exactly under the pointer. */
export function When({ at, never = '—' }: { at: string | null | undefined; never?: string }) {
  const ticked = useSyncExternalStore(onTick, () => tick);
  if (at === null || at === undefined) return <span>{never}</span>;
  if (at === 'infinity') return <span>for ever</span>;
  const time = Date.parse(at);
  if (Number.isNaN(time)) return <span>{at}</span>;
  return (
    <time dateTime={at} title={at} style={{ whiteSpace: 'nowrap' }}>
      {ago(time, Math.max(ticked, Date.now()))}
    </time>
  );
}

const date = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
const dateAndTime = new Intl.DateTimeFormat(undefined, {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
});

/** @param now ms */
export function ago(time: number, now: number): string {
  const seconds = Math.round((now - time) / 1_000);
  const past = Math.abs(seconds);
  const say = (amount: string): string => (seconds >= 0 ? `${amount} ago` : `in ${amount}`);
  if (past < 5) return 'just now';
  if (past < 60) return say(`${past} s`);
  if (past < 3_600) return say(`${Math.floor(past / 60)} min`);
  if (past < 86_400) return say(`${Math.floor(past / 3_600)} h`);
  return past < 300 * 86_400 ? dateAndTime.format(time) : date.format(time);
}

/** The time of day with milliseconds, for what happens in them. */
export function Clock({ at }: { at: string }) {
  const time = new Date(at);
  const text = Number.isNaN(time.getTime())
    ? at
    : `${time.toLocaleTimeString([], { hour12: false })}.${String(time.getMilliseconds()).padStart(3, '0')}`;
  return (
    <time dateTime={at} title={at} className="mono">
      {text}
    </time>
  );
}

export function ms(duration: number): string {
  if (duration < 1_000) return `${duration < 10 ? duration.toFixed(1) : Math.round(duration)} ms`;
  if (duration < 120_000) return `${(duration / 1_000).toFixed(1)} s`;
  if (duration < 7_200_000) return `${Math.round(duration / 60_000)} min`;
  return `${Math.round(duration / 3_600_000)} h`;
}

export const count = (n: number): string => n.toLocaleString('en');
/** `1 person`, `2 people`. */
export const many = (n: number, one: string, more: string): string => `${count(n)} ${n === 1 ? one : more}`;

export function Waiting({ children }: { children: ReactNode }) {
  return (
    <Group gap="xs" role="status">
      <Loader size="xs" />
      <Text size="sm">{children}</Text>
    </Group>
  );
}

export function Light({ color, pulse = false }: { color: string; pulse?: boolean }) {
  return (
    <span
      className={pulse ? 'light pulse' : 'light'}
      style={{ background: `var(--mantine-color-${color}-6)` }}
      aria-hidden
    />
  );
}

/** What was closed: `provider/kind:id` in words. */
export function scopeWords(scope: string): string {
  const [, kind = scope] = /^[^/]*\/(user|org|membership|session):/.exec(scope) ?? [];
  return (
    { user: 'the user', org: 'the organization', membership: 'the membership', session: 'the session' }[kind] ?? kind
  );
}
