import { Button, Group, Text } from '@mantine/core';
import { useState } from 'react';
import { call, GRANTS } from '../api.js';
import { Ask, InWords } from '../ask.js';
import { doing, moment, PROVIDER, STATUS } from '../columns.js';
import { useLiveInterval } from '../feed.js';
import { Choice, ProviderChoice, useFilters } from '../filters.js';
import { useList, useSend, useSession } from '../queries.js';
import type { GuardTrip } from '../types.js';
import { type Column, count, Empty, List, many, ms, PageHead, When, Who } from '../ui.js';

type Decision = 'confirm' | 'undo';

export function Guards() {
  const [{ status, provider_id }] = useFilters();
  const list = useList(
    'GET /api/grants/v1/guard-trips',
    { query: { status, provider_id } },
    { every: useLiveInterval() },
  );
  const mayChange = useSession().data?.role === 'administrator';
  const [deciding, setDeciding] = useState<{ trip: GuardTrip; decision: Decision }>();
  const columns: Column<GuardTrip>[] = [
    moment('Tripped', 'tripped_at'),
    PROVIDER,
    STATUS,
    {
      title: 'People',
      cell: ({ users, share, window_seconds }) => (
        <>
          <b>{count(users)}</b> shut out within {ms(window_seconds * 1_000)}
          {share ? `, ${(share * 100).toFixed(share < 0.1 ? 1 : 0)} % of all` : ''}
        </>
      ),
    },
    { title: 'Grants waiting', cell: ({ grants_waiting }) => count(grants_waiting ?? 0), narrow: true },
    {
      title: 'Decided',
      cell: ({ decided_at, decided_by, note }) =>
        decided_at ? (
          <>
            <When at={decided_at} /> by <Who name={decided_by} />
            {note ? `: ${note}` : ''}
          </>
        ) : (
          '—'
        ),
    },
    ...doing(mayChange, (trip: GuardTrip) =>
      trip.status === 'paused' ? (
        <Group gap="xs" wrap="nowrap">
          <Button size="xs" color="red.9" onClick={() => setDeciding({ trip, decision: 'confirm' })}>
            Confirm…
          </Button>
          <Button size="xs" variant="default" onClick={() => setDeciding({ trip, decision: 'undo' })}>
            Undo…
          </Button>
        </Group>
      ) : null,
    ),
  ];
  return (
    <>
      <PageHead
        title="Guards"
        lead="When suddenly very many people are shut out, it may be a mistake in a directory. Their tokens are refused all the same, but their grants are not marked as revoked until somebody has looked."
      />
      <Group mb="sm">
        <Choice
          name="status"
          label="Status"
          options={['paused', 'confirmed', 'undone'].map((value) => ({ value, label: value }))}
        />
        <ProviderChoice />
      </Group>
      <List
        list={list}
        label="Guard trips"
        columns={columns}
        keyOf={({ id }) => id}
        empty={
          <Empty icon="shieldCheck" title="No guard has tripped">
            Nobody leaves in crowds.
          </Empty>
        }
      />
      {deciding && <Decide {...deciding} close={() => setDeciding(undefined)} />}
    </>
  );
}

const WORDS: Record<Decision, { title: string; text: string; button: string }> = {
  confirm: {
    title: 'These people really are gone',
    text: 'Their grants are marked as revoked, downstream services are told of them, and it cannot be undone.',
    button: 'Confirm',
  },
  undo: {
    title: 'This was a mistake',
    text: 'What was closed is opened again. Tokens and grants from before stay void, as after every re-opening: people sign in again and ask for new grants.',
    button: 'Undo',
  },
};

function Decide({ trip, decision, close }: { trip: GuardTrip; decision: Decision; close: () => void }) {
  const [note, setNote] = useState('');
  const { title, text, button } = WORDS[decision];
  const decide = useSend(
    () =>
      call(`POST /api/grants/v1/guard-trips/{id}/${decision}`, { path: { id: trip.id }, body: { note: note.trim() } }),
    [GRANTS],
  );
  return (
    <Ask
      title={title}
      button={button}
      send={decide}
      isFinal={decision === 'confirm'}
      isIncomplete={note.trim() === ''}
      close={close}
    >
      <Text size="sm">
        <b>{many(trip.users, 'person', 'people')}</b>, {many(trip.grants_waiting ?? 0, 'grant', 'grants')}. {text}
        {decision === 'undo' &&
          (trip.tombstones ?? 0) > 0 &&
          ` Of them ${count(trip.tombstones!)} are closed for ever, such as deleted users: they stay closed.`}
      </Text>
      <InWords
        label="Note"
        description="Whom you asked, what you found. Stands in the audit."
        isLong
        words={note}
        setWords={setNote}
      />
    </Ask>
  );
}
