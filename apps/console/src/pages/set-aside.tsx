import { Button, Group, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { call, GRANTS } from '../api.js';
import { Ask, Done } from '../ask.js';
import { doing, moment } from '../columns.js';
import { useLiveInterval } from '../feed.js';
import { Choice, SearchBox, useFilters } from '../filters.js';
import { Icon } from '../icons.js';
import { useList, useSend, useSession } from '../queries.js';
import { setAsideMeans } from '../reasons.js';
import type { SetAside } from '../types.js';
import { type Column, Empty, List, many, PageHead, Refusal, Status, When, Who } from '../ui.js';

export function SetAsidePage() {
  const [{ status, reason }] = useFilters();
  const list = useList('GET /api/grants/v1/set-aside', { query: { status, reason } }, { every: useLiveInterval() });
  const mayChange = useSession().data?.role === 'administrator';
  const [all, setAll] = useState<string>();
  const rows = list.data?.pages.flatMap(({ data }) => data) ?? [];
  const reasons = [...new Set(rows.filter((row) => row.status === 'waiting').map((row) => row.reason))];
  const columns: Column<SetAside>[] = [
    moment('When', 'set_aside_at'),
    {
      title: 'Status',
      cell: ({ status }) => <Status of={status}>{status === 'redriven' ? 'sent again' : status}</Status>,
      narrow: true,
    },
    {
      title: 'Why',
      cell: ({ reason, detail }) => (
        <div>
          <Text size="sm" fw={600}>
            {reason.replaceAll('_', ' ')}
          </Text>
          <Text size="xs" c="dimmed">
            {detail ?? setAsideMeans(reason)}
          </Text>
        </div>
      ),
    },
    {
      title: 'Where',
      cell: ({ topic, partition, offset }) => (
        <span className="mono">
          {topic} · {partition} · {offset}
        </span>
      ),
    },
    {
      title: 'Sent again',
      cell: ({ redriven_at, redriven_by }) =>
        redriven_at ? (
          <>
            <When at={redriven_at} /> by <Who name={redriven_by} />
          </>
        ) : (
          '—'
        ),
    },
    ...doing(mayChange, (row: SetAside) => <Redrive row={row} />),
  ];
  return (
    <>
      <PageHead
        title="Set aside"
        lead="Records that no retry could have made acceptable. They stop nothing; their bytes are kept as they were, and can be sent again once what reads them is newer."
        actions={
          mayChange
            ? reasons.map((each) => (
                <Button
                  key={each}
                  variant="default"
                  onClick={() => setAll(each)}
                  leftSection={<Icon name="again" size={15} />}
                >
                  Send all again: {each.replaceAll('_', ' ')}
                </Button>
              ))
            : undefined
        }
      />
      <Group mb="sm">
        <Choice
          name="status"
          label="Status"
          options={[
            { value: 'waiting', label: 'waiting' },
            { value: 'redriven', label: 'sent again' },
          ]}
        />
        <SearchBox name="reason" label="Reason" placeholder="Reason, such as event_malformed" />
      </Group>
      <List
        list={list}
        label="Records set aside"
        columns={columns}
        keyOf={({ id }) => id}
        empty={
          <Empty icon="check" title="Nothing was set aside">
            Everything that came in could be understood.
          </Empty>
        }
      />
      {all !== undefined && <RedriveAll reason={all} close={() => setAll(undefined)} />}
    </>
  );
}

function Redrive({ row }: { row: SetAside }) {
  const redrive = useSend(
    () => call('POST /api/grants/v1/set-aside/{id}/redrive', { path: { id: row.id } }),
    [`${GRANTS}/set-aside`],
  );
  if (row.status !== 'waiting') return null;
  return (
    <Stack gap={4}>
      <Button size="xs" variant="default" loading={redrive.isPending} onClick={() => redrive.mutate()}>
        Send again
      </Button>
      <Refusal error={redrive.error} />
    </Stack>
  );
}

function RedriveAll({ reason, close }: { reason: string; close: () => void }) {
  const redrive = useSend(
    () => call('POST /api/grants/v1/set-aside/redrive', { body: { reason } }),
    [`${GRANTS}/set-aside`],
  );
  const title = `Send all again: ${reason.replaceAll('_', ' ')}`;
  if (redrive.data) {
    return (
      <Done title={title} close={close}>
        <Text size="sm">
          {many(redrive.data.redriven, 'record was', 'records were')} sent again. Those that still cannot be read are
          set aside anew.
        </Text>
      </Done>
    );
  }
  return (
    <Ask title={title} button="Send again" send={redrive} whenDone={() => undefined} isFinal={false} close={close}>
      <Text size="sm">The original bytes of every record that waits for this reason go to its topic again, once.</Text>
    </Ask>
  );
}
