import { Button, Checkbox, Group, Paper, Text } from '@mantine/core';
import { useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { moment, STATUS } from '../columns.js';
import { useLiveInterval } from '../feed.js';
import { Choice, ProviderChoice, SearchBox, useFilters } from '../filters.js';
import { Icon } from '../icons.js';
import { To } from '../links.js';
import { useGet, useList, useSession } from '../queries.js';
import { meaningOf } from '../reasons.js';
import { RevokeGrants, RevokeScope, type Whose } from '../revoke.js';
import type { Grant } from '../types.js';
import {
  Answered,
  type Column,
  count,
  Empty,
  EventLink,
  Id,
  List,
  PageHead,
  ProviderName,
  Reason,
  scopeWords,
  Status,
  UserLink,
  When,
} from '../ui.js';

export const GRANT_COLUMNS: Column<Grant>[] = [
  {
    title: 'Resource',
    cell: ({ id, resource }) => (
      <To to="/grants/$grantId" params={{ grantId: id }} size="sm">
        {resource}
      </To>
    ),
  },
  { title: 'User', cell: ({ user_id, provider_id }) => <UserLink id={user_id} provider={provider_id} /> },
  { title: 'Scopes', cell: ({ scopes }) => <span className="mono">{scopes.join(' ')}</span> },
  STATUS,
  moment('Granted', 'granted_at'),
  {
    title: 'Ended',
    cell: ({ revoked_at, status, expires_at }) => <When at={status === 'expired' ? expires_at : revoked_at} />,
    narrow: true,
  },
  {
    title: 'Why',
    cell: ({ revocation }) =>
      revocation ? (
        <Group gap={6}>
          <Reason code={revocation.reason} />
        </Group>
      ) : (
        '—'
      ),
  },
];

export function Grants() {
  const [filters] = useFilters();
  const { user_id, organization_id, session_id, resource, status, provider_id } = filters;
  const list = useList(
    'GET /api/grants/v1/grants',
    { query: { user_id, organization_id, session_id, resource, status, provider_id } },
    { every: useLiveInterval() },
  );
  const mayChange = useSession().data?.role === 'administrator';
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [revoking, setRevoking] = useState<{ ids: string[] } | { whose: Whose }>();
  const rows = list.data?.pages.flatMap(({ data }) => data) ?? [];
  const active = rows.filter((grant) => grant.status === 'active');
  const ids = active.filter(({ id }) => chosen.has(id)).map(({ id }) => id);
  const whose: Whose | undefined =
    user_id || organization_id || session_id
      ? {
          provider_id: provider_id ?? rows[0]?.provider_id,
          ...(session_id ? { session_id } : { user_id, organization_id }),
        }
      : undefined;
  const choose = (id: string, on: boolean): void => {
    const next = new Set(chosen);
    if (on) next.add(id);
    else next.delete(id);
    setChosen(next);
  };
  const columns: Column<Grant>[] = mayChange
    ? [
        {
          title: '',
          narrow: true,
          cell: ({ id, status, resource }) => (
            <Checkbox
              size="xs"
              aria-label={`Choose ${resource}`}
              disabled={status !== 'active'}
              checked={chosen.has(id) && status === 'active'}
              onChange={({ currentTarget }) => choose(id, currentTarget.checked)}
            />
          ),
        },
        ...GRANT_COLUMNS,
      ]
    : GRANT_COLUMNS;
  return (
    <>
      <PageHead
        title="Grants"
        lead="What people may open, and what they could open once. A grant that has ended says why."
      />
      <Group mb="sm" gap="sm">
        <SearchBox name="user_id" label="User id" width={220} />
        <SearchBox name="organization_id" label="Organization id" width={220} />
        <SearchBox name="resource" label="Resource" width={200} />
        <Choice
          name="status"
          label="Status"
          options={['active', 'revoked', 'expired'].map((value) => ({ value, label: value }))}
        />
        <ProviderChoice />
      </Group>
      {mayChange && (
        <Group mb="sm" gap="xs" mih={30}>
          <Button
            size="xs"
            variant="default"
            disabled={active.length === 0}
            onClick={() => setChosen(ids.length === active.length ? new Set() : new Set(active.map(({ id }) => id)))}
          >
            {ids.length > 0 && ids.length === active.length ? 'Choose none' : 'Choose all that are active here'}
          </Button>
          <Button size="xs" color="red.9" disabled={ids.length === 0} onClick={() => setRevoking({ ids })}>
            {ids.length === 0 ? 'Revoke chosen' : `Revoke ${count(ids.length)} chosen`}
          </Button>
          {whose && (
            <Button
              size="xs"
              variant="light"
              color="red"
              leftSection={<Icon name="ban" size={14} />}
              onClick={() => setRevoking({ whose })}
            >
              Revoke everything of this filter…
            </Button>
          )}
          {!whose && (
            <Text size="xs" c="dimmed">
              Filter by a user or an organization to end everything of theirs at once.
            </Text>
          )}
        </Group>
      )}
      <List
        list={list}
        label="Grants"
        columns={columns}
        keyOf={({ id }) => id}
        empty={
          <Empty icon="key" title="No grants">
            {Object.keys(filters).length > 0
              ? 'None is like that. Ids and resources are compared as a whole.'
              : 'Your services make them: POST /v1/grants.'}
          </Empty>
        }
      />
      {revoking && 'ids' in revoking && (
        <RevokeGrants
          ids={revoking.ids}
          close={() => {
            setRevoking(undefined);
            setChosen(new Set());
          }}
        />
      )}
      {revoking && 'whose' in revoking && <RevokeScope whose={revoking.whose} close={() => setRevoking(undefined)} />}
    </>
  );
}

export function GrantPage() {
  const { grantId } = useParams({ from: '/grants/$grantId' });
  const grant = useGet('GET /api/grants/v1/grants/{id}', { path: { id: grantId } }, { every: useLiveInterval() });
  const mayChange = useSession().data?.role === 'administrator';
  const [revoking, setRevoking] = useState(false);
  return (
    <>
      <PageHead
        title="Grant"
        lead={<Id id={grantId}>{grantId}</Id>}
        actions={
          mayChange && grant.data?.status === 'active' ? (
            <Button color="red.9" onClick={() => setRevoking(true)}>
              Revoke…
            </Button>
          ) : undefined
        }
      />
      <Answered query={grant}>{(data) => <GrantFacts grant={data} />}</Answered>
      {revoking && <RevokeGrants ids={[grantId]} close={() => setRevoking(false)} />}
    </>
  );
}

function GrantFacts({ grant }: { grant: Grant }) {
  const { revocation } = grant;
  return (
    <Paper p="md">
      <dl className="facts">
        <dt>Status</dt>
        <dd>
          <Status of={grant.status} />
        </dd>
        <dt>Resource</dt>
        <dd>{grant.resource}</dd>
        <dt>Scopes</dt>
        <dd className="mono">{grant.scopes.join(' ')}</dd>
        <dt>User</dt>
        <dd>
          <UserLink id={grant.user_id} provider={grant.provider_id} />
        </dd>
        <dt>Organization</dt>
        <dd>{grant.organization_id ? <Id id={grant.organization_id} /> : '—'}</dd>
        <dt>Session</dt>
        <dd>{grant.session_id ? <Id id={grant.session_id} /> : '—'}</dd>
        <dt>Provider</dt>
        <dd>
          <ProviderName id={grant.provider_id} />
        </dd>
        <dt>Granted</dt>
        <dd>
          <When at={grant.granted_at} /> by {grant.granted_by}
        </dd>
        <dt>Expires</dt>
        <dd>
          <When at={grant.expires_at} never="never" />
        </dd>
        {revocation && (
          <>
            <dt>Ended</dt>
            <dd>
              <When at={grant.revoked_at} />
            </dd>
            <dt>Why</dt>
            <dd>
              <b>{meaningOf(revocation.reason).title}</b>. {meaningOf(revocation.reason).means}
              {revocation.scope && <> What was closed is {scopeWords(revocation.scope)}.</>}
            </dd>
            <dt>By</dt>
            <dd>
              {revocation.source_event_id ? (
                <>
                  WorkOS, with the event <EventLink id={revocation.source_event_id} provider={grant.provider_id} />
                </>
              ) : (
                revocation.actor
              )}
            </dd>
            <dt>What to do</dt>
            <dd>{meaningOf(revocation.reason).todo}</dd>
          </>
        )}
      </dl>
    </Paper>
  );
}
