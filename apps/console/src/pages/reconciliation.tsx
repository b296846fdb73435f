import { Alert, Button, Checkbox, Group, SimpleGrid, Stack } from '@mantine/core';
import { useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { call, GRANTS } from '../api.js';
import { Ask, OfProvider } from '../ask.js';
import { PROVIDER, STATUS } from '../columns.js';
import { Choice, ProviderChoice, useFilters } from '../filters.js';
import { Icon } from '../icons.js';
import { To } from '../links.js';
import { useGet, useList, useProviders, useSend, useSession } from '../queries.js';
import type { Difference, Reconciliation } from '../types.js';
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
  Refusal,
  Section,
  Status,
  UserLink,
  Waiting,
  When,
  Who,
} from '../ui.js';

const RUNS = `${GRANTS}/reconciliations`;
const WATCH_MS = 2_000;

const found = (run: Reconciliation): number => Object.values(run.differences).reduce((sum, n) => sum + n, 0);

const COLUMNS: Column<Reconciliation>[] = [
  {
    title: 'When',
    cell: ({ id, requested_at }) => (
      <To to="/reconciliations/$runId" params={{ runId: id }} size="sm">
        <When at={requested_at} />
      </To>
    ),
    narrow: true,
  },
  PROVIDER,
  STATUS,
  { title: 'What', cell: ({ dry_run }) => (dry_run ? 'reports only' : 'repairs'), narrow: true },
  { title: 'People', cell: ({ progress }) => count(progress.users_seen), narrow: true },
  { title: 'Differences', cell: (run) => count(found(run)), narrow: true },
  { title: 'By', cell: ({ requested_by }) => <Who name={requested_by} /> },
];

export function Reconciliations() {
  const [{ provider_id, status }] = useFilters();
  const list = useList(
    'GET /api/grants/v1/reconciliations',
    { query: { provider_id, status } },
    { every: WATCH_MS * 2 },
  );
  const mayChange = useSession().data?.role === 'administrator';
  const [starting, setStarting] = useState(false);
  return (
    <>
      <PageHead
        title="Reconcile"
        lead="Everybody that WorkOS knows is compared with everybody known here: after a long outage, when you begin, or to be sure. Nothing is changed unless you ask for it."
        actions={
          mayChange ? (
            <Button leftSection={<Icon name="again" size={15} />} onClick={() => setStarting(true)}>
              Compare now
            </Button>
          ) : undefined
        }
      />
      <Group mb="sm">
        <Choice
          name="status"
          label="Status"
          options={['running', 'done', 'cancelled', 'stopped', 'failed'].map((value) => ({ value, label: value }))}
        />
        <ProviderChoice />
      </Group>
      <List
        list={list}
        label="Reconciliations"
        columns={COLUMNS}
        keyOf={({ id }) => id}
        empty={
          <Empty icon="again" title="Never compared so far">
            It needs the provider’s API key, and reads as fast as WorkOS lets it.
          </Empty>
        }
      />
      {starting && <Start close={() => setStarting(false)} />}
    </>
  );
}

function Start({ close }: { close: () => void }) {
  const navigate = useNavigate();
  const providers = (useProviders().data?.data ?? []).filter(({ kind }) => kind === 'workos');
  const [provider, setProvider] = useState<string | null>(null);
  const [repair, setRepair] = useState(false);
  const provider_id = provider ?? providers[0]?.id;
  const start = useSend(
    () => call('POST /api/grants/v1/reconciliations', { body: { provider_id: provider_id!, dry_run: !repair } }),
    [RUNS],
  );
  return (
    <Ask
      title="Compare with WorkOS"
      button={repair ? 'Compare and repair' : 'Compare'}
      send={start}
      whenDone={({ id }) => void navigate({ to: '/reconciliations/$runId', params: { runId: id } })}
      isFinal={repair}
      isIncomplete={provider_id === undefined}
      close={close}
    >
      <OfProvider providers={providers} id={provider_id} setId={setProvider} />
      <Checkbox
        label="Repair what is different"
        description="Whoever is gone in WorkOS loses their access here. A run that would shut out unusually many stops before it shuts out anybody."
        checked={repair}
        onChange={({ currentTarget }) => setRepair(currentTarget.checked)}
      />
    </Ask>
  );
}

export function ReconciliationPage() {
  const { runId } = useParams({ from: '/reconciliations/$runId' });
  const path = { id: runId };
  const run = useGet('GET /api/grants/v1/reconciliations/{id}', { path }, { every: WATCH_MS });
  const mayChange = useSession().data?.role === 'administrator';
  const cancel = useSend(() => call('POST /api/grants/v1/reconciliations/{id}/cancel', { path }), [RUNS]);
  return (
    <>
      <PageHead
        title="Reconciliation"
        lead={<Id id={runId}>{runId}</Id>}
        actions={
          mayChange && run.data?.status === 'running' ? (
            <Button variant="default" loading={cancel.isPending} onClick={() => cancel.mutate()}>
              Cancel
            </Button>
          ) : undefined
        }
      />
      <Refusal error={cancel.error} />
      <Answered query={run}>{(data) => <Run run={data} />}</Answered>
      <Section title="Differences">
        <Differences id={runId} provider={run.data?.provider_id ?? ''} isRunning={run.data?.status === 'running'} />
      </Section>
    </>
  );
}

function Run({ run }: { run: Reconciliation }) {
  const { progress } = run;
  return (
    <Stack>
      {run.status === 'running' && <Waiting>Looking at {progress.phase.replaceAll('_', ' ')}…</Waiting>}
      {run.problem && (
        <Alert color={run.status === 'running' ? 'yellow' : 'red'} icon={<Icon name="alert" />} role="alert">
          {run.problem}
        </Alert>
      )}
      <SimpleGrid cols={{ base: 2, md: 5 }} spacing="sm">
        <Fact label="Status">
          <Status of={run.status} />
        </Fact>
        <Fact label="Organizations">{count(progress.organizations_seen)}</Fact>
        <Fact label="People">{count(progress.users_seen)}</Fact>
        <Fact label="Memberships">{count(progress.memberships_seen)}</Fact>
        <Fact label={run.dry_run ? 'Differences' : 'Repaired'}>
          {count(run.dry_run ? found(run) : progress.repaired)}
        </Fact>
      </SimpleGrid>
    </Stack>
  );
}

function Differences({ id, provider, isRunning }: { id: string; provider: string; isRunning: boolean }) {
  const list = useList(
    'GET /api/grants/v1/reconciliations/{id}/differences',
    { path: { id } },
    isRunning ? { every: WATCH_MS * 2 } : {},
  );
  const columns: Column<Difference>[] = [
    { title: 'What', cell: ({ kind }) => <b>{kind.replaceAll('_', ' ')}</b> },
    {
      title: 'Of',
      cell: ({ user_id, organization_id, session_id }) =>
        user_id ? <UserLink id={user_id} provider={provider} /> : <Id id={session_id ?? organization_id ?? '—'} />,
    },
    { title: 'Organization', cell: ({ organization_id }) => (organization_id ? <Id id={organization_id} /> : '—') },
    { title: 'Detail', cell: ({ detail }) => detail ?? '—' },
    {
      title: 'Repaired by',
      cell: ({ event_id, repaired_at }) =>
        event_id && repaired_at ? <EventLink id={event_id} provider={provider} /> : '—',
    },
  ];
  return (
    <List
      list={list}
      label="Differences"
      columns={columns}
      keyOf={(row) => JSON.stringify(row)}
      empty={
        <Empty icon={isRunning ? 'clock' : 'check'} title={isRunning ? 'None so far' : 'No difference was found'} />
      }
    />
  );
}
