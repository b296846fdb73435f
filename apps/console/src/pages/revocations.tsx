import { Group } from '@mantine/core';
import { useLiveInterval } from '../feed.js';
import { ProviderChoice, SearchBox, useFilters } from '../filters.js';
import { To } from '../links.js';
import { useList } from '../queries.js';
import type { Revocation } from '../types.js';
import { type Column, Empty, EventLink, Id, List, PageHead, Reason, scopeWords, UserLink, When } from '../ui.js';

export const REVOCATION_COLUMNS: Column<Revocation>[] = [
  { title: 'When', cell: ({ announced_at }) => <When at={announced_at} />, narrow: true },
  { title: 'Of', cell: (revocation) => <Whom of={revocation} /> },
  {
    title: 'Why',
    cell: ({ reason }) => (reason ? <Reason code={reason} /> : 'opened again; what was before stays void'),
  },
  {
    title: 'Grants',
    cell: ({ revoked_grant_ids: ids }) =>
      ids === undefined ? (
        'many'
      ) : ids.length === 1 ? (
        <To to="/grants/$grantId" params={{ grantId: ids[0]! }} size="sm">
          one
        </To>
      ) : (
        ids.length
      ),
    narrow: true,
  },
  {
    title: 'By',
    cell: ({ source_event_id, provider_id, actor }) =>
      source_event_id ? <EventLink id={source_event_id} provider={provider_id} /> : actor,
  },
  { title: 'Closed at', cell: ({ closed_at }) => <When at={closed_at} />, narrow: true },
];

function Whom({ of }: { of: Revocation }) {
  const { user_id, organization_id, session_id, provider_id, scope } = of;
  return (
    <Group gap={6}>
      <span>{scopeWords(scope)}</span>
      {user_id ? <UserLink id={user_id} provider={provider_id} /> : <Id id={session_id ?? organization_id ?? scope} />}
    </Group>
  );
}

export function Revocations() {
  const [{ user_id, organization_id, provider_id }] = useFilters();
  const list = useList(
    'GET /api/grants/v1/revocations',
    { query: { user_id, organization_id, provider_id } },
    { every: useLiveInterval() },
  );
  return (
    <>
      <PageHead
        title="Revocations"
        lead="What downstream services were told, in order: whose access ended, why, and by which event."
      />
      <Group mb="sm">
        <SearchBox name="user_id" label="User id" />
        <SearchBox name="organization_id" label="Organization id" />
        <ProviderChoice />
      </Group>
      <List
        list={list}
        label="Revocations"
        columns={REVOCATION_COLUMNS}
        keyOf={({ id }) => id}
        empty={
          <Empty icon="ban" title="Nobody has lost access">
            {user_id || organization_id ? 'None is like that. Ids are compared as a whole.' : undefined}
          </Empty>
        }
      />
    </>
  );
}
