import { Alert, Badge, Button, Group, Paper, SimpleGrid, Stack, Tabs, Text } from '@mantine/core';
import { useParams, useSearch } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { call, GRANTS } from '../api.js';
import { Ask, InWords } from '../ask.js';
import { doing, moment, REASON, SOURCE } from '../columns.js';
import { useLiveInterval } from '../feed.js';
import { useFilters } from '../filters.js';
import { Icon } from '../icons.js';
import { ToButton } from '../links.js';
import { useGet, useList, useSend, useSession } from '../queries.js';
import { meaningOf } from '../reasons.js';
import { RevokeScope, type Whose } from '../revoke.js';
import type { Membership, ScopeState, SignIn, UserDetails } from '../types.js';
import {
  Answered,
  type Column,
  count,
  Empty,
  EventLink,
  Fact,
  Id,
  List,
  PageHead,
  ProviderName,
  Reason,
  Status,
  Table,
  When,
} from '../ui.js';
import { AUDIT_COLUMNS } from './audit.js';
import { EVENT_COLUMNS } from './events.js';
import { GRANT_COLUMNS } from './grants.js';
import { REVOCATION_COLUMNS } from './revocations.js';
import { nameOf, STATUS } from './users.js';

export function UserPage() {
  const { userId } = useParams({ from: '/users/$userId' });
  const { provider_id } = useSearch({ from: '/users/$userId' });
  const user = useGet(
    'GET /api/grants/v1/users/{id}',
    { path: { id: userId }, query: { provider_id } },
    { every: useLiveInterval() },
  );
  return (
    <>
      {!user.data && <PageHead title="User" lead={<Id id={userId}>{userId}</Id>} />}
      <Answered query={user}>{(data) => <Details user={data} />}</Answered>
    </>
  );
}

function Details({ user }: { user: UserDetails }) {
  const mayChange = useSession().data?.role === 'administrator';
  const [revoking, setRevoking] = useState<Whose>();
  const [reinstating, setReinstating] = useState<ScopeState>();
  const closed = user.scopes.filter((scope) => scope.closed && !scope.session_id);
  const mine: Whose = { provider_id: user.provider_id, user_id: user.id };
  return (
    <>
      <PageHead
        title={nameOf(user) ?? 'User'}
        lead={
          <Group gap="xs" component="span">
            <Status of={user.status}>{STATUS[user.status]}</Status>
            {user.email && user.email !== nameOf(user) && <span>{user.email}</span>}
            <Id id={user.id} />
            <ProviderName id={user.provider_id} />
          </Group>
        }
        actions={
          <>
            <ToButton
              to="/users/$userId/receipt"
              params={{ userId: user.id }}
              search={{ provider_id: user.provider_id }}
              variant="default"
              leftSection={<Icon name="scroll" size={15} />}
            >
              Receipt
            </ToButton>
            {mayChange && user.status !== 'deleted' && (
              <Button color="red.9" leftSection={<Icon name="ban" size={15} />} onClick={() => setRevoking(mine)}>
                Revoke all access…
              </Button>
            )}
          </>
        }
      />
      <Stack gap="sm" mb="lg">
        {closed.map((scope) => (
          <Closed
            key={scope.scope}
            scope={scope}
            user={user}
            {...(mayChange && scope.closed_at !== 'infinity' && user.status !== 'deleted'
              ? { reinstate: () => setReinstating(scope) }
              : {})}
          />
        ))}
      </Stack>
      <SimpleGrid cols={{ base: 2, md: 4 }} spacing="sm">
        <Fact label="Active grants">
          {count(user.grants.active)} <Small>of {count(user.grants.total)}</Small>
        </Fact>
        <Fact label="Memberships">
          {user.memberships.filter(({ status }) => status === 'active').length}{' '}
          <Small>of {user.memberships.length} active</Small>
        </Fact>
        <Fact label="First seen">
          <When at={user.first_seen_at} never="no token yet" />
        </Fact>
        <Fact label={user.deleted_at ? 'Deleted' : 'Last seen'}>
          <When at={user.deleted_at ?? user.last_seen_at} never="no token yet" />
        </Fact>
      </SimpleGrid>
      <Story user={user} mayChange={mayChange} revoke={setRevoking} />
      {revoking && <RevokeScope whose={revoking} close={() => setRevoking(undefined)} />}
      {reinstating && <Reinstate scope={reinstating} close={() => setReinstating(undefined)} />}
    </>
  );
}

const Small = ({ children }: { children: ReactNode }) => (
  <Text span size="sm" c="dimmed" fw={400}>
    {children}
  </Text>
);

/** Why somebody is shut out, with the event that said so. */
function Closed({ scope, user, reinstate }: { scope: ScopeState; user: UserDetails; reinstate?: () => void }) {
  const { title, means, todo } = meaningOf(scope.reason ?? '');
  const organization = user.memberships.find(({ organization_id }) => organization_id === scope.organization_id);
  const where = scope.organization_id ? (organization?.organization_name ?? scope.organization_id) : undefined;
  return (
    <Alert
      color={scope.closed_at === 'infinity' ? 'red' : 'orange'}
      icon={<Icon name="ban" />}
      title={where ? `${title}: ${where}` : title}
    >
      <Stack gap={6} align="flex-start">
        <Text size="sm">
          {means} <b>What to do:</b> {todo}
        </Text>
        <Text size="xs" c="dimmed" component="div">
          Closed <When at={scope.closed_at === 'infinity' ? scope.occurred_at : scope.closed_at} />
          {scope.closed_at === 'infinity' && ', for ever'}, by{' '}
          {scope.source_event_id ? <EventLink id={scope.source_event_id} provider={scope.provider_id} /> : 'hand'}
        </Text>
        {reinstate && (
          <Button size="xs" variant="default" onClick={reinstate}>
            Let in again…
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

function Reinstate({ scope, close }: { scope: ScopeState; close: () => void }) {
  const [reason, setReason] = useState('');
  const { provider_id, user_id, organization_id, session_id } = scope;
  const send = useSend(
    () =>
      call('POST /api/grants/v1/reinstatements', {
        body: { provider_id, user_id, organization_id, session_id, reason: reason.trim() },
      }),
    [GRANTS],
  );
  return (
    <Ask
      title="Let in again"
      button="Let in again"
      send={send}
      isFinal={false}
      isIncomplete={reason.trim() === ''}
      close={close}
    >
      <Text size="sm">
        From now on they may sign in and be granted access again. What was granted or issued before stays void. Where
        WorkOS still says that they are out, its next event closes it again.
      </Text>
      <InWords words={reason} setWords={setReason} />
    </Ask>
  );
}

function Story({ user, mayChange, revoke }: { user: UserDetails; mayChange: boolean; revoke: (whose: Whose) => void }) {
  const [{ tab = 'grants' }, change] = useFilters();
  return (
    <Tabs
      value={tab}
      onChange={(value) => change({ tab: value === 'grants' ? undefined : (value ?? undefined) })}
      mt="lg"
      keepMounted={false}
    >
      <Tabs.List mb="sm">
        <Tabs.Tab value="grants">Grants</Tabs.Tab>
        <Tabs.Tab value="memberships" rightSection={<Number of={user.memberships.length} />}>
          Memberships
        </Tabs.Tab>
        <Tabs.Tab value="sessions" rightSection={<Number of={user.sessions.length} />}>
          Sessions
        </Tabs.Tab>
        <Tabs.Tab value="scopes" rightSection={<Number of={user.scopes.length} />}>
          Scopes
        </Tabs.Tab>
        <Tabs.Tab value="events">Events</Tabs.Tab>
        <Tabs.Tab value="revocations">Revocations</Tabs.Tab>
        <Tabs.Tab value="audit">Audit</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="grants">
        <GrantsOf user={user} />
      </Tabs.Panel>
      <Tabs.Panel value="memberships">
        <Memberships user={user} {...(mayChange ? { revoke } : {})} />
      </Tabs.Panel>
      <Tabs.Panel value="sessions">
        <Sessions user={user} {...(mayChange ? { revoke } : {})} />
      </Tabs.Panel>
      <Tabs.Panel value="scopes">
        <Scopes user={user} />
      </Tabs.Panel>
      <Tabs.Panel value="events">
        <EventsOf user={user} />
      </Tabs.Panel>
      <Tabs.Panel value="revocations">
        <RevocationsOf user={user} />
      </Tabs.Panel>
      <Tabs.Panel value="audit">
        <AuditOf user={user} />
      </Tabs.Panel>
    </Tabs>
  );
}

const Number = ({ of }: { of: number }) => (
  <Badge size="xs" color="gray" circle={of < 10}>
    {of}
  </Badge>
);

function GrantsOf({ user }: { user: UserDetails }) {
  const { id: user_id, provider_id } = user;
  const list = useList('GET /api/grants/v1/grants', { query: { user_id, provider_id } }, { every: useLiveInterval() });
  return (
    <List
      list={list}
      label="Grants"
      columns={GRANT_COLUMNS.filter(({ title }) => title !== 'User')}
      keyOf={({ id }) => id}
      empty={<Empty icon="key" title="Nothing was ever granted to them" />}
    />
  );
}

function Memberships({ user, revoke }: { user: UserDetails; revoke?: (whose: Whose) => void }) {
  const scopeOf = ({ organization_id }: Membership) =>
    user.scopes.find((scope) => scope.user_id && scope.organization_id === organization_id);
  const columns: Column<Membership>[] = [
    {
      title: 'Organization',
      cell: ({ organization_id, organization_name }) => (
        <Group gap="xs">
          {organization_name && <b>{organization_name}</b>}
          <Id id={organization_id} />
        </Group>
      ),
    },
    {
      title: 'Status',
      cell: ({ status, organization_deleted_at }) => (
        <Status of={organization_deleted_at ? 'deleted' : status}>
          {organization_deleted_at ? 'organization deleted' : status}
        </Status>
      ),
      narrow: true,
    },
    { title: 'Role', cell: ({ role }) => role ?? '—' },
    moment('Changed', 'changed_at'),
    { title: 'Why', cell: (membership) => <Why scope={scopeOf(membership)} /> },
    ...doing(revoke !== undefined, ({ organization_id }: Membership) => (
      <Button
        size="xs"
        variant="default"
        onClick={() => revoke?.({ provider_id: user.provider_id, user_id: user.id, organization_id })}
      >
        Revoke…
      </Button>
    )),
  ];
  return (
    <Paper>
      {user.memberships.length === 0 ? (
        <Empty icon="users" title="No membership is known">
          Memberships come with webhooks; a token that names an organization says nothing of them.
        </Empty>
      ) : (
        <Table
          label="Memberships"
          rows={user.memberships}
          columns={columns}
          keyOf={({ organization_id }) => organization_id}
        />
      )}
    </Paper>
  );
}

function Why({ scope }: { scope: (ScopeState & { closed: boolean }) | undefined }) {
  if (!scope?.closed) return <>—</>;
  return (
    <Group gap={6}>
      {scope.reason && <Reason code={scope.reason} />}
      {scope.source_event_id && <EventLink id={scope.source_event_id} provider={scope.provider_id} />}
    </Group>
  );
}

function Sessions({ user, revoke }: { user: UserDetails; revoke?: (whose: Whose) => void }) {
  const scopeOf = ({ id }: SignIn) => user.scopes.find(({ session_id }) => session_id === id);
  const isOver = (session: SignIn): boolean => session.revoked_at !== null || scopeOf(session)?.closed === true;
  const columns: Column<SignIn>[] = [
    { title: 'Session', cell: ({ id }) => <Id id={id} /> },
    {
      title: 'Status',
      cell: (session) => (
        <Status of={isOver(session) ? 'revoked' : 'active'}>{isOver(session) ? 'ended' : 'open'}</Status>
      ),
      narrow: true,
    },
    { title: 'Organization', cell: ({ organization_id }) => (organization_id ? <Id id={organization_id} /> : '—') },
    {
      title: 'Began',
      cell: ({ created_at, first_seen_at }) => <When at={created_at ?? first_seen_at} />,
      narrow: true,
    },
    moment('Last seen', 'last_seen_at'),
    {
      title: 'Ended',
      cell: (session) => <When at={session.revoked_at ?? (isOver(session) ? scopeOf(session)?.occurred_at : null)} />,
      narrow: true,
    },
    { title: 'Why', cell: (session) => <Why scope={scopeOf(session)} /> },
    ...doing(revoke !== undefined, (session: SignIn) =>
      isOver(session) ? null : (
        <Button
          size="xs"
          variant="default"
          onClick={() => revoke?.({ provider_id: user.provider_id, session_id: session.id })}
        >
          End…
        </Button>
      ),
    ),
  ];
  return (
    <Paper>
      {user.sessions.length === 0 ? (
        <Empty icon="user" title="No sign-in is known" />
      ) : (
        <Table label="Sessions" rows={user.sessions} columns={columns} keyOf={({ id }) => id} />
      )}
    </Paper>
  );
}

function Scopes({ user }: { user: UserDetails }) {
  const columns: Column<ScopeState & { closed: boolean }>[] = [
    { title: 'Scope', cell: ({ scope }) => <Id id={scope}>{scope.slice(scope.indexOf('/') + 1)}</Id> },
    {
      title: 'State',
      cell: ({ closed }) => <Status of={closed ? 'closed' : 'active'}>{closed ? 'closed' : 'open'}</Status>,
      narrow: true,
    },
    moment('Closed at', 'closed_at', 'never'),
    moment('Opened at', 'opened_at', 'never'),
    moment('Tokens before', 'tokens_before', '—'),
    REASON,
    SOURCE,
  ];
  return (
    <>
      <Text size="sm" c="dimmed" mb="xs">
        All that decides: access is void where one of its scopes is closed, or where it was issued at or before the last
        closing.
      </Text>
      <Paper>
        {user.scopes.length === 0 ? (
          <Empty icon="check" title="Nothing was ever closed" />
        ) : (
          <Table label="Scopes" rows={user.scopes} columns={columns} keyOf={({ scope }) => scope} />
        )}
      </Paper>
    </>
  );
}

function EventsOf({ user }: { user: UserDetails }) {
  const { id: user_id, provider_id } = user;
  const list = useList('GET /api/grants/v1/events', { query: { user_id, provider_id } }, { every: useLiveInterval() });
  return (
    <List
      list={list}
      label="Events"
      columns={EVENT_COLUMNS.filter(({ title }) => title !== 'About')}
      keyOf={({ id }) => id}
      empty={<Empty icon="inbox" title="No event has been about them" />}
    />
  );
}

function RevocationsOf({ user }: { user: UserDetails }) {
  const { id: user_id, provider_id } = user;
  const list = useList(
    'GET /api/grants/v1/revocations',
    { query: { user_id, provider_id } },
    { every: useLiveInterval() },
  );
  return (
    <List
      list={list}
      label="Revocations"
      columns={REVOCATION_COLUMNS}
      keyOf={({ id }) => id}
      empty={<Empty icon="check" title="Nothing of theirs was revoked" />}
    />
  );
}

function AuditOf({ user }: { user: UserDetails }) {
  const { id: user_id, provider_id } = user;
  const list = useList('GET /api/grants/v1/audit', { query: { user_id, provider_id } });
  return (
    <List
      list={list}
      label="Audit"
      columns={AUDIT_COLUMNS}
      keyOf={({ id }) => id}
      empty={<Empty icon="scroll" title="No entries" />}
    />
  );
}
