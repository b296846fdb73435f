import { Group } from '@mantine/core';
import type { ReactNode } from 'react';
import { type Column, EventLink, Id, ProviderName, Reason, scopeWords, Status, UserLink, When } from './ui.js';

// Columns that more than one table has.

/** A moment by the name of its field. */
export const moment = <Name extends string>(
  title: string,
  name: Name,
  never = '—',
): Column<{ readonly [N in Name]?: string | null | undefined }> => ({
  title,
  cell: (row) => <When at={row[name]} never={never} />,
  narrow: true,
});

export const PROVIDER: Column<{ provider_id: string }> = {
  title: 'Provider',
  cell: ({ provider_id }) => <ProviderName id={provider_id} />,
};

export const STATUS: Column<{ status: string }> = {
  title: 'Status',
  cell: ({ status }) => <Status of={status} />,
  narrow: true,
};

export const REASON: Column<{ reason: string | null }> = {
  title: 'Reason',
  cell: ({ reason }) => (reason ? <Reason code={reason} /> : '—'),
};

/** The event that something came of. */
export const SOURCE: Column<{ source_event_id: string | null; provider_id: string | null }> = {
  title: 'Event',
  cell: ({ source_event_id, provider_id }) =>
    source_event_id ? <EventLink id={source_event_id} provider={provider_id} /> : '—',
  narrow: true,
};

/** Whose access ended: what was closed, and of whom. */
export const WHOM: Column<{
  scope: string;
  provider_id: string;
  user_id?: string | null | undefined;
  organization_id?: string | null | undefined;
  session_id?: string | null | undefined;
}> = {
  title: 'Of',
  cell: ({ scope, provider_id, user_id, organization_id, session_id }) => (
    <Group gap={6}>
      <span>{scopeWords(scope)}</span>
      {user_id ? <UserLink id={user_id} provider={provider_id} /> : <Id id={session_id ?? organization_id ?? scope} />}
    </Group>
  ),
};

/** The last one: what can be done with a row; none for who may do nothing. */
export const doing = <T,>(may: boolean, cell: (row: T) => ReactNode): Column<T>[] =>
  may ? [{ title: '', cell, narrow: true }] : [];
