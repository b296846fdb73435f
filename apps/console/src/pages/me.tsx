import { Alert, Button, Group, Paper, Text } from '@mantine/core';
import { useState } from 'react';
import { call } from '../api.js';
import { Ask } from '../ask.js';
import { moment, STATUS } from '../columns.js';
import { useFeed } from '../feed.js';
import { Icon } from '../icons.js';
import { useGet, useSend } from '../queries.js';
import type { Grant, Membership, MyAccess } from '../types.js';
import { Answered, type Column, Empty, Id, PageHead, Reason, scopeWords, Section, Status, Table, When } from '../ui.js';

type OwnSession = MyAccess['sessions'][number];

/** What somebody has access to themselves; they may give it back, and nothing more. */
export function Me() {
  // Of what befalls a whole organization the feed does not tell each of its people.
  const me = useGet('GET /api/me', {}, { every: 3_000 });
  return (
    <>
      <PageHead title="My access" lead="What you may open, where you are signed in, and what has ended and why." />
      <Answered query={me}>{(mine) => <Mine mine={mine as MyAccess} />}</Answered>
    </>
  );
}

const MEMBERSHIP_COLUMNS: Column<Membership>[] = [
  {
    title: 'Organization',
    cell: ({ organization_id, organization_name }) => organization_name ?? <Id id={organization_id} />,
  },
  STATUS,
  { title: 'Role', cell: ({ role }) => role ?? '—' },
  moment('Changed', 'changed_at'),
];

function Mine({ mine }: { mine: MyAccess }) {
  const [giving, setGiving] = useState<Grant>();
  const [ending, setEnding] = useState<OwnSession>();
  const active = mine.grants.filter(({ status }) => status === 'active');
  const columns: Column<Grant>[] = [
    { title: 'Resource', cell: ({ resource }) => <b>{resource}</b> },
    { title: 'Scopes', cell: ({ scopes }) => <span className="mono">{scopes.join(' ')}</span> },
    STATUS,
    moment('Since', 'granted_at'),
    moment('Ended', 'revoked_at'),
    { title: 'Why', cell: ({ revocation }) => (revocation ? <Reason code={revocation.reason} /> : '—') },
    {
      title: '',
      narrow: true,
      cell: (grant) =>
        grant.status === 'active' ? (
          <Button size="xs" variant="default" onClick={() => setGiving(grant)}>
            Give back…
          </Button>
        ) : null,
    },
  ];
  const sessionColumns: Column<OwnSession>[] = [
    {
      title: 'Session',
      cell: ({ id, current }) => (
        <Group gap="xs">
          <Id id={id} />
          {current && <Status of="active">this one</Status>}
        </Group>
      ),
    },
    {
      title: 'Status',
      cell: ({ revoked_at }) => <Status of={revoked_at ? 'revoked' : 'active'}>{revoked_at ? 'ended' : 'open'}</Status>,
      narrow: true,
    },
    {
      title: 'Began',
      cell: ({ created_at, first_seen_at }) => <When at={created_at ?? first_seen_at} />,
      narrow: true,
    },
    moment('Last seen', 'last_seen_at'),
    {
      title: '',
      narrow: true,
      cell: (session) =>
        session.revoked_at ? null : (
          <Button size="xs" variant="default" onClick={() => setEnding(session)}>
            End…
          </Button>
        ),
    },
  ];
  return (
    <>
      {active.length === 0 && (
        <Alert color="gray" icon={<Icon name="key" />} mb="md">
          You may open nothing right now. Access is granted by the applications that you use.
        </Alert>
      )}
      <Section title="Grants">
        <Paper>
          {mine.grants.length === 0 ? (
            <Empty icon="key" title="Nothing was ever granted to you" />
          ) : (
            <Table label="My grants" rows={mine.grants} columns={columns} keyOf={({ id }) => id} />
          )}
        </Paper>
      </Section>
      <Section title="Sign-ins">
        <Paper>
          {mine.sessions.length === 0 ? (
            <Empty icon="user" title="No sign-in is known" />
          ) : (
            <Table label="My sign-ins" rows={mine.sessions} columns={sessionColumns} keyOf={({ id }) => id} />
          )}
        </Paper>
      </Section>
      <Section title="Memberships">
        <Paper>
          {mine.memberships.length === 0 ? (
            <Empty icon="users" title="You are in no organization" />
          ) : (
            <Table
              label="My memberships"
              rows={mine.memberships}
              columns={MEMBERSHIP_COLUMNS}
              keyOf={({ organization_id }) => organization_id}
            />
          )}
        </Paper>
      </Section>
      <Lately />
      {ending && <EndSession session={ending} close={() => setEnding(undefined)} />}
      {giving && <GiveBack grant={giving} close={() => setGiving(undefined)} />}
    </>
  );
}

/** Of the feed, which tells a person of themselves alone. */
function Lately() {
  const { items } = useFeed();
  const told = items.filter(({ kind }) => kind === 'revoked' || kind === 'refused');
  if (told.length === 0) return null;
  return (
    <Section title="Lately">
      <Paper>
        <Table
          label="What happened lately"
          rows={told}
          keyOf={({ key }) => key}
          columns={[
            moment('When', 'at'),
            {
              title: 'What',
              cell: ({ kind, scope, reason }) =>
                kind === 'refused'
                  ? 'A token of yours was refused'
                  : reason
                    ? `Access ended: ${scopeWords(scope ?? '')}`
                    : `Opened again: ${scopeWords(scope ?? '')}`,
            },
            { title: 'Why', cell: ({ reason }) => (reason ? <Reason code={reason} /> : '—') },
          ]}
        />
      </Paper>
    </Section>
  );
}

function GiveBack({ grant, close }: { grant: Grant; close: () => void }) {
  const give = useSend(() => call('POST /api/me/grants/{id}/revoke', { path: { id: grant.id } }), ['/api/me']);
  return (
    <Ask title={`Give back ${grant.resource}`} button="Give back" send={give} close={close}>
      <Text size="sm">This ends at once and for good. Whoever granted it to you can grant it anew.</Text>
    </Ask>
  );
}

function EndSession({ session, close }: { session: OwnSession; close: () => void }) {
  const end = useSend(
    () => call('POST /api/me/sessions/{id}/revoke', { path: { id: session.id } }),
    ['/api/me', '/auth/session'],
  );
  return (
    <Ask title={session.current ? 'End this sign-in' : 'End that sign-in'} button="End it" send={end} close={close}>
      <Text size="sm">
        It ends everywhere and for good, with all tokens that it had.
        {session.current && ' You are signed out here too.'}
      </Text>
    </Ask>
  );
}
