import { Alert, Button, Group, Paper, Select, Stack, Text } from '@mantine/core';
import { useParams } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useFilters } from '../filters.js';
import { Icon } from '../icons.js';
import { To } from '../links.js';
import { useGet } from '../queries.js';
import { meaningOf } from '../reasons.js';
import type { OpenReceipt, ReceiptAnswer, VoidReceipt } from '../types.js';
import { Answered, type Column, count, PageHead, Section, Table } from '../ui.js';
import { nameOf } from './users.js';

/** Proof of deprovisioning, to print for an auditor. Asked once: what is on paper is what was signed. */
export function ReceiptPage() {
  const { userId } = useParams({ from: '/users/$userId/receipt' });
  const [{ provider_id, organization_id }, change] = useFilters();
  const path = { id: userId };
  const user = useGet('GET /api/grants/v1/users/{id}', { path, query: { provider_id } });
  const receipt = useGet('GET /v1/users/{id}/receipt', { path, query: { provider_id, organization_id } });
  const organizations = user.data?.memberships ?? [];
  const name = user.data ? nameOf(user.data) : undefined;
  return (
    <>
      <PageHead
        title="Receipt of deprovisioning"
        lead={
          <>
            {name && name !== userId ? `${name}, ` : ''}
            <To to="/users/$userId" params={{ userId }} search={provider_id ? { provider_id } : {}}>
              {userId}
            </To>
          </>
        }
        actions={
          <Group gap="xs" className="no-print">
            {organizations.length > 0 && (
              <Select
                aria-label="Of their access"
                value={organization_id ?? ''}
                onChange={(value) => change({ organization_id: value || undefined })}
                data={[
                  { value: '', label: 'All of their access' },
                  ...organizations.map((one) => ({
                    value: one.organization_id,
                    label: `Within ${one.organization_name ?? one.organization_id}`,
                  })),
                ]}
                allowDeselect={false}
              />
            )}
            <Button
              variant="default"
              disabled={!receipt.data}
              onClick={() => receipt.data && save(userId, receipt.data)}
            >
              Save as a file
            </Button>
            <Button disabled={!receipt.data} onClick={() => window.print()}>
              Print…
            </Button>
          </Group>
        }
      />
      <Answered query={receipt}>
        {(answer) => (
          <>
            {answer.receipt.standing === 'void' ? <Void of={answer.receipt} /> : <Open of={answer.receipt} />}
            <Completeness of={answer.receipt} />
            <HowToCheck answer={answer} userId={userId} />
          </>
        )}
      </Answered>
    </>
  );
}

function save(userId: string, answer: ReceiptAnswer): void {
  const url = URL.createObjectURL(new Blob([JSON.stringify(answer, null, 2)], { type: 'application/json' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `receipt-${userId}.json`;
  link.click();
  URL.revokeObjectURL(url);
}

/** On paper nobody sees how long ago it was: in full, in UTC. */
const Utc = ({ at }: { at: string | null | undefined }) => (
  <>{at === null || at === undefined ? 'not known' : at.replace('T', ' ').replace('Z', ' UTC')}</>
);

function Open({ of }: { of: OpenReceipt }) {
  return (
    <Alert color="orange" icon={<Icon name="alert" />} title="They still have access">
      {count(of.active_grants)} grants are active, as of <Utc at={of.as_of} />. Nothing else is proved by this receipt.
      Where they left one organization alone, choose it above.
    </Alert>
  );
}

function Void({ of }: { of: VoidReceipt }) {
  return (
    <>
      <Alert color="teal" icon={<Icon name="shieldCheck" />} title="All of this access is void">
        As of <Utc at={of.as_of} />, every token is refused, whenever it was issued, and{' '}
        {of.grants.total === 1 ? 'the one grant' : `all ${count(of.grants.total)} grants`} and{' '}
        {of.sessions.total === 1 ? 'the one sign-in' : `all ${count(of.sessions.total)} sign-ins`} are void.
      </Alert>
      {of.closings.map((closing) => (
        <Closing key={closing.scope} of={closing} receipt={of} />
      ))}
      <Section title="Grants, each with the moment from which it was void">
        <Paper>
          <Table label="Grants" rows={of.grants.listed} columns={GRANTS_OF} keyOf={({ id }) => id} />
        </Paper>
        <More than={of.grants} />
      </Section>
      <Section title="Sign-ins: their tokens were void">
        <Paper>
          <Table label="Sign-ins" rows={of.sessions.listed} columns={SESSIONS_OF} keyOf={({ id }) => id} />
        </Paper>
        <More than={of.sessions} />
      </Section>
      <Section title="Its place in the audit">
        <Facts
          facts={[
            ['Rows that it rests on', `${of.audit.rows.length} of ${count(of.audit.size)}`],
            ['Root of the tree', <Mono key="root">{of.audit.root}</Mono>],
            ['Head of the chain', <Mono key="head">{`${of.audit.size}:${of.audit.head.hash}`}</Mono>],
          ]}
        />
      </Section>
    </>
  );
}

function Closing({
  of: { scope, event, by, announced },
  receipt,
}: {
  of: VoidReceipt['closings'][number];
  receipt: VoidReceipt;
}) {
  const state = receipt.scopes.find((one) => one.scope === scope);
  return (
    <Section title={state?.reason ? meaningOf(state.reason).title : 'Closed'}>
      <Facts
        facts={[
          ['What was closed', <Mono key="scope">{scope}</Mono>],
          ...(event
            ? ([
                ['WorkOS said so', <Utc key="said" at={event.occurred_at} />],
                ['in the event', `${event.type} ${event.id}`],
                ['We received it', <Utc key="received" at={event.received_at} />],
                ['and applied it', <Utc key="applied" at={event.applied_at} />],
                ['It is kept in Kafka', placeOf(event.record)],
              ] as const)
            : ([[by === null ? 'Its event' : 'By hand, by', by ?? 'is not kept here']] as const)),
          ...announced.map(
            ({ id, committed_at, published }) =>
              [
                'It was announced',
                published === null ? (
                  <>
                    from <Utc at={committed_at} />; where Kafka keeps it is not known
                  </>
                ) : (
                  <>
                    <Utc at={published.at} />, to all readers of {placeOf(published)} ({id})
                  </>
                ),
              ] as const,
          ),
        ]}
      />
    </Section>
  );
}

const placeOf = ({ topic, partition, offset }: { topic: string; partition: number; offset: string }): string =>
  `${topic}, partition ${partition}, offset ${offset}`;

const reasonOf = ({ reason, source_event_id }: { reason: string; source_event_id: string | null }): string =>
  source_event_id === null ? reason : `${reason} (${source_event_id})`;

type GrantOf = VoidReceipt['grants']['listed'][number];
const GRANTS_OF: Column<GrantOf>[] = [
  { title: 'Grant', cell: ({ id }) => <Mono>{id}</Mono> },
  { title: 'Of', cell: ({ resource, scopes }) => `${resource}: ${scopes.join(', ')}` },
  { title: 'Granted', cell: ({ granted_at }) => <Utc at={granted_at} /> },
  { title: 'Void since', cell: ({ void_since }) => <Utc at={void_since} /> },
  { title: 'Reason', cell: reasonOf },
];
type SessionOf = VoidReceipt['sessions']['listed'][number];
const SESSIONS_OF: Column<SessionOf>[] = [
  { title: 'Session', cell: ({ id }) => <Mono>{id}</Mono> },
  { title: 'Last seen', cell: ({ last_seen_at }) => <Utc at={last_seen_at} /> },
  { title: 'Void since', cell: ({ void_since }) => <Utc at={void_since} /> },
  { title: 'Reason', cell: reasonOf },
];

function More({ than: { total, listed } }: { than: { total: number; listed: readonly unknown[] } }) {
  if (total <= listed.length) return null;
  return (
    <Text size="sm" c="dimmed" mt="xs">
      And {count(total - listed.length)} more, void by the same rule.
    </Text>
  );
}

function Completeness({ of: { completeness } }: { of: OpenReceipt | VoidReceipt }) {
  const { status, complete_from, complete_up_to, problem } = completeness;
  return (
    <Section title="Up to when it is complete">
      <Text size="sm">
        {status === 'complete' ? (
          <>
            All that WorkOS said from <Utc at={complete_from} /> until <Utc at={complete_up_to} /> is in here; of what
            it said later, nothing is claimed.
          </>
        ) : (
          <>
            It was not known whether all that WorkOS had said had arrived
            {complete_up_to !== null && (
              <>
                {' '}
                after <Utc at={complete_up_to} />
              </>
            )}
            {problem ? ` (${problem})` : ''}: of what it said later, nothing is claimed.
          </>
        )}
      </Text>
    </Section>
  );
}

function HowToCheck({ answer, userId }: { answer: ReceiptAnswer; userId: string }) {
  return (
    <Section title="How to check it">
      <Stack gap="xs">
        <Text size="sm">
          This page is a reading of a signed file. What counts is the file: save it, fetch the keys once from{' '}
          <span className="mono">/.well-known/jwks.json</span> of this portal, and check it anywhere, offline:
        </Text>
        <pre className="code">{`npx rescind verify-receipt receipt-${userId}.json --keys jwks.json`}</pre>
        <Text size="xs" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
          Signature: <span className="mono">{answer.jws.split('.')[2]}</span>
        </Text>
      </Stack>
    </Section>
  );
}

const Mono = ({ children }: { children: string }) => (
  <span className="mono" style={{ overflowWrap: 'anywhere' }}>
    {children}
  </span>
);

function Facts({ facts }: { facts: readonly (readonly [string, ReactNode])[] }) {
  return (
    <Paper p="md">
      <dl className="facts">
        {facts.map(([name, value], index) => (
          <div key={`${name} ${index}`} style={{ display: 'contents' }}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </Paper>
  );
}
