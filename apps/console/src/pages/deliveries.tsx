import { Anchor, Button, Group, Modal, Paper, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { call, SIGNALS } from '../api.js';
import { doing, moment } from '../columns.js';
import { useLiveInterval } from '../feed.js';
import { Choice, useFilters } from '../filters.js';
import { useGet, useList, useSend, useSession } from '../queries.js';
import type { Delivery, Stream } from '../types.js';
import {
  Answered,
  type Column,
  count,
  Empty,
  Id,
  List,
  ms,
  PageHead,
  Refusal,
  Section,
  shortId,
  Status,
  Table,
  When,
} from '../ui.js';
import { Sources } from './sources.js';

const KINDS: Record<Stream['kind'], string> = {
  set_push: 'Shared Signals, pushed',
  set_poll: 'Shared Signals, polled',
  webhook: 'webhook',
  backchannel_logout: 'back-channel logout',
  token_revocation: 'token revocation',
};
const nameOf = ({ description, url, audience }: Stream): string => description ?? url ?? audience;

/** Of a type of Shared Signals, which is a URL, the part that tells. */
const typeOf = (type: string): string => type.split('/').at(-1)!;

export function Deliveries() {
  const every = useLiveInterval();
  const streams = useGet('GET /api/signals/v1/streams', {}, { every });
  return (
    <>
      <PageHead
        title="Deliveries"
        lead="Who else is told that access has ended, in webhooks and in standards of their own: what was said, what they answered, and what waits. And who else may end it here."
      />
      <Section title="Who is told">
        <Paper>
          <Answered query={streams}>
            {({ data }) =>
              data.length === 0 ? (
                <Empty icon="inbox" title="Nobody else is told">
                  A webhook is made with <span className="mono">POST /v1/streams</span> of signals; receivers of Shared
                  Signals make their own.
                </Empty>
              ) : (
                <Table label="Who is told" rows={data} columns={STREAM_COLUMNS} keyOf={({ id }) => id} />
              )
            }
          </Answered>
        </Paper>
      </Section>
      <Sources />
      <Section title="What was said">
        <Log streams={streams.data?.data ?? []} />
      </Section>
    </>
  );
}

const STREAM_COLUMNS: Column<Stream>[] = [
  {
    title: 'Receiver',
    cell: (stream) => (
      <div>
        <Text size="sm" fw={600} style={{ overflowWrap: 'anywhere' }}>
          {nameOf(stream)}
        </Text>
        {stream.description && stream.url && (
          <Text size="xs" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
            {stream.url}
          </Text>
        )}
      </div>
    ),
  },
  { title: 'By', cell: ({ kind }) => KINDS[kind], narrow: true },
  {
    title: 'Status',
    cell: ({ status, status_reason }) => (
      <div>
        <Status of={status} />
        {status_reason && (
          <Text size="xs" c="dimmed">
            {status_reason}
          </Text>
        )}
      </div>
    ),
    narrow: true,
  },
  { title: 'Wait', cell: ({ pending }) => count(pending), narrow: true },
  { title: 'Refused', cell: ({ refused }) => count(refused), narrow: true },
  moment('Last said', 'last_delivered_at', 'never'),
  {
    title: 'Trouble',
    cell: ({ failures, last_error }) =>
      failures === 0
        ? '—'
        : `${last_error ?? 'failed'}; ${failures === 1 ? 'once' : `${count(failures)} times`} in a row`,
  },
];

function Log({ streams }: { streams: readonly Stream[] }) {
  const [{ stream_id, state }] = useFilters();
  const list = useList('GET /api/signals/v1/deliveries', { query: { stream_id, state } }, { every: useLiveInterval() });
  const mayChange = useSession().data?.role === 'administrator';
  const [looking, setLooking] = useState<Delivery>();
  const columns: Column<Delivery>[] = [
    moment('When', 'created_at'),
    { title: 'What', cell: ({ type }) => <b title={type}>{typeOf(type)}</b>, narrow: true },
    {
      title: 'To',
      cell: ({ stream_id: id }) => {
        const stream = streams.find((one) => one.id === id);
        return stream ? <span style={{ overflowWrap: 'anywhere' }}>{nameOf(stream)}</span> : <Id id={id} />;
      },
    },
    { title: 'State', cell: (delivery) => <State of={delivery} />, narrow: true },
    {
      title: 'Tries',
      cell: (delivery) =>
        delivery.attempts === 0 ? (
          'none yet'
        ) : (
          <Anchor component="button" size="sm" onClick={() => setLooking(delivery)} title="Look at each try">
            {count(delivery.attempts)}
          </Anchor>
        ),
      narrow: true,
    },
    { title: 'Trouble', cell: ({ state, last_error }) => (state === 'delivered' ? '—' : (last_error ?? '—')) },
    ...doing(mayChange, (row: Delivery) => <Again row={row} />),
  ];
  return (
    <>
      <Group mb="sm">
        <Choice
          name="state"
          label="State"
          options={(['pending', 'delivered', 'refused'] as const).map((value) => ({ value, label: STATES[value] }))}
        />
        {streams.length > 1 && (
          <Choice
            name="stream_id"
            label="Receiver"
            options={streams.map((stream) => ({
              value: stream.id,
              label: `${nameOf(stream)} (${shortId(stream.id)})`,
            }))}
          />
        )}
      </Group>
      <List
        list={list}
        label="Deliveries"
        columns={columns}
        keyOf={({ id }) => id}
        empty={
          <Empty icon="inbox" title="Nothing was said">
            {state || stream_id ? 'None is like that.' : 'It begins with the next access that ends.'}
          </Empty>
        }
      />
      {looking && <Tries of={looking} close={() => setLooking(undefined)} />}
    </>
  );
}

const STATES: Record<Delivery['state'], string> = { pending: 'waits', delivered: 'delivered', refused: 'refused' };

function State({ of: { state, settled_at, next_attempt_at } }: { of: Delivery }) {
  const isLater = next_attempt_at !== null && Date.parse(next_attempt_at) > Date.now();
  return (
    <div>
      <Status of={state}>{STATES[state]}</Status>
      <Text size="xs" c="dimmed" component="div">
        {settled_at ? (
          <When at={settled_at} />
        ) : isLater ? (
          <>
            next try <When at={next_attempt_at} />
          </>
        ) : null}
      </Text>
    </div>
  );
}

function Again({ row }: { row: Delivery }) {
  const again = useSend(
    () => call('POST /api/signals/v1/deliveries/{id}/redeliver', { path: { id: row.id } }),
    [SIGNALS],
  );
  if (row.state === 'pending') return null;
  return (
    <Stack gap={4}>
      <Button size="xs" variant="default" loading={again.isPending} onClick={() => again.mutate()}>
        Send again
      </Button>
      <Refusal error={again.error} />
    </Stack>
  );
}

function Tries({ of, close }: { of: Delivery; close: () => void }) {
  const delivery = useGet('GET /api/signals/v1/deliveries/{id}', { path: { id: of.id } });
  return (
    <Modal opened onClose={close} title={typeOf(of.type)} size="lg">
      <Stack>
        <dl className="facts">
          <dt>About</dt>
          <dd className="mono">{of.subject}</dd>
          {of.txn && (
            <>
              <dt>Event</dt>
              <dd className="mono">{of.txn}</dd>
            </>
          )}
          <dt>Message</dt>
          <dd className="mono">{of.message_id}</dd>
        </dl>
        <Answered query={delivery}>
          {({ attempt_log }) => (
            <Table
              label="Tries"
              rows={attempt_log}
              keyOf={({ at }) => at}
              columns={[
                moment('When', 'at'),
                { title: 'Answer', cell: ({ status }) => status ?? 'none', narrow: true },
                {
                  title: 'Took',
                  cell: ({ duration_ms }) => (duration_ms === null ? '—' : ms(duration_ms)),
                  narrow: true,
                },
                { title: 'Trouble', cell: ({ error }) => error ?? '—' },
              ]}
            />
          )}
        </Answered>
      </Stack>
    </Modal>
  );
}
