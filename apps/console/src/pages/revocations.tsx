import { Group, Tooltip } from '@mantine/core';
import { moment, WHOM } from '../columns.js';
import { useLiveInterval } from '../feed.js';
import { ProviderChoice, SearchBox, useFilters } from '../filters.js';
import { To } from '../links.js';
import { useList } from '../queries.js';
import type { Revocation } from '../types.js';
import { type Column, Empty, EventLink, List, PageHead, Reason, Who } from '../ui.js';

export const REVOCATION_COLUMNS: Column<Revocation>[] = [
  moment('When', 'announced_at'),
  WHOM,
  {
    title: 'Why',
    cell: ({ reason }) => (reason ? <Reason code={reason} /> : 'opened again; what was before stays void'),
  },
  {
    title: 'Grants',
    cell: ({ revoked_grant_ids: ids }) =>
      ids === undefined ? (
        <Tooltip label="They are marked one after the other: see them at Grants." withArrow>
          <span tabIndex={0}>all</span>
        </Tooltip>
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
      source_event_id ? <EventLink id={source_event_id} provider={provider_id} /> : <Who name={actor} />,
  },
  moment('Closed at', 'closed_at'),
];

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
