import { Group, SegmentedControl } from '@mantine/core';
import { ProviderChoice, SearchBox, useFilters } from '../filters.js';
import { useList } from '../queries.js';
import type { Audit, Change } from '../types.js';
import { type Column, Empty, EventLink, Id, List, PageHead, ProviderName, Reason, When } from '../ui.js';

export const AUDIT_COLUMNS: Column<Audit>[] = [
  { title: 'When', cell: ({ at }) => <When at={at} />, narrow: true },
  { title: 'What', cell: ({ action }) => <b>{action.replaceAll('_', ' ').replaceAll('.', ': ')}</b> },
  { title: 'Of', cell: ({ subject }) => (subject ? <Id id={subject} /> : '—') },
  { title: 'Reason', cell: ({ reason }) => (reason ? <Reason code={reason} /> : '—') },
  { title: 'Who', cell: ({ actor }) => actor },
  {
    title: 'Event',
    cell: ({ source_event_id, provider_id }) =>
      source_event_id ? <EventLink id={source_event_id} provider={provider_id} /> : '—',
    narrow: true,
  },
  {
    title: 'Seal',
    cell: ({ hash, seq }) =>
      hash ? (
        <span className="mono" title={`${seq}: ${hash}`}>
          {hash.slice(0, 10)}
        </span>
      ) : (
        'at once'
      ),
    narrow: true,
  },
];

const CHANGE_COLUMNS: Column<Change>[] = [
  { title: 'When', cell: ({ at }) => <When at={at} />, narrow: true },
  { title: 'What', cell: ({ action }) => <b>{action.replaceAll('_', ' ')}</b> },
  { title: 'Provider', cell: ({ provider_id }) => (provider_id ? <ProviderName id={provider_id} /> : '—') },
  { title: 'Version', cell: ({ version }) => version ?? '—', narrow: true },
  { title: 'Who', cell: ({ actor }) => actor },
  {
    title: 'Detail',
    cell: ({ detail }) => (detail ? <span className="mono">{JSON.stringify(detail)}</span> : '—'),
  },
];

export function AuditPage() {
  const [filters, change] = useFilters();
  const ofSettings = filters['of'] === 'settings';
  return (
    <>
      <PageHead
        title="Audit"
        lead="Who ended whose access, and who changed which settings. Entries on access are chained by their hashes: one that was altered or taken out is found (npm run audit:verify)."
      />
      <Group mb="sm">
        <SegmentedControl
          aria-label="Audit of"
          value={ofSettings ? 'settings' : 'access'}
          onChange={(of) => change({ of: of === 'settings' ? of : undefined })}
          data={[
            { value: 'access', label: 'Access' },
            { value: 'settings', label: 'Settings' },
          ]}
        />
        {!ofSettings && <SearchBox name="subject" label="Subject" placeholder="A grant’s id, a scope’s key" />}
        {!ofSettings && <SearchBox name="source_event_id" label="Event id" width={220} />}
        <ProviderChoice />
      </Group>
      {ofSettings ? <OfSettings /> : <OfAccess />}
    </>
  );
}

function OfAccess() {
  const [{ subject, source_event_id, provider_id }] = useFilters();
  const list = useList('GET /api/grants/v1/audit', { query: { subject, source_event_id, provider_id } });
  return (
    <List
      list={list}
      label="Audit of access"
      columns={AUDIT_COLUMNS}
      keyOf={({ id }) => id}
      empty={<Empty icon="scroll" title="No entries" />}
    />
  );
}

function OfSettings() {
  const [{ provider_id }] = useFilters();
  const list = useList('GET /v1/audit', { query: { provider_id } });
  return (
    <List
      list={list}
      label="Audit of settings"
      columns={CHANGE_COLUMNS}
      keyOf={({ id }) => id}
      empty={<Empty icon="scroll" title="No entries" />}
    />
  );
}
