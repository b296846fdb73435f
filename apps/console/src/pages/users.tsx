import { Group } from '@mantine/core';
import { PROVIDER } from '../columns.js';
import { useLiveInterval } from '../feed.js';
import { ProviderChoice, SearchBox, useFilters } from '../filters.js';
import { useList } from '../queries.js';
import type { User } from '../types.js';
import { type Column, Empty, Id, List, PageHead, Status, UserLink, When } from '../ui.js';

const COLUMNS: Column<User>[] = [
  {
    title: 'Name',
    cell: (user) => <UserLink id={user.id} provider={user.provider_id} name={nameOf(user)} />,
  },
  { title: 'Email', cell: ({ email }) => email ?? '—' },
  { title: 'Status', cell: ({ status }) => <Status of={status}>{STATUS[status]}</Status>, narrow: true },
  { title: 'Id', cell: ({ id }) => <Id id={id} />, narrow: true },
  PROVIDER,
  { title: 'Last seen', cell: (user) => <When at={user.deleted_at ?? user.last_seen_at} />, narrow: true },
];
export const STATUS = { active: 'active', closed: 'shut out', deleted: 'deleted' };

export const nameOf = (user: User): string | null =>
  user.name ?? ([user.first_name, user.last_name].filter(Boolean).join(' ') || user.email);

export function Users() {
  const [{ q, provider_id }] = useFilters();
  const list = useList('GET /api/grants/v1/users', { query: { q, provider_id } }, { every: useLiveInterval() });
  return (
    <>
      <PageHead
        title="Users"
        lead="Everybody that WorkOS has told of, or whose token has been seen. Somebody who was deleted stays here, deleted."
      />
      <Group mb="sm">
        <SearchBox name="q" label="Search users" placeholder="Name, email or id begins with…" width={320} />
        <ProviderChoice />
      </Group>
      <List
        list={list}
        label="Users"
        columns={COLUMNS}
        keyOf={(user) => `${user.provider_id}/${user.id}`}
        empty={
          q ? (
            <Empty icon="search" title={`Nobody begins with “${q}”`}>
              Names, addresses and ids are searched from their beginning.
            </Empty>
          ) : (
            <Empty icon="users" title="Nobody yet">
              A person appears with the first webhook about them, or with the first valid token that is seen.
            </Empty>
          )
        }
      />
    </>
  );
}
