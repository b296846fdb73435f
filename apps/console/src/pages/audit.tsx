import { Anchor, Group, SegmentedControl, Text } from '@mantine/core';
import { moment, REASON, SOURCE } from '../columns.js';
import { ProviderChoice, SearchBox, useFilters } from '../filters.js';
import { CANARY, useList } from '../queries.js';
import type { Audit, Change } from '../types.js';
import { type Column, Empty, Id, List, PageHead, ProviderName, Who } from '../ui.js';

export const AUDIT_COLUMNS: Column<Audit>[] = [
  moment('When', 'at'),
  { title: 'What', cell: ({ action }) => <b>{action.replaceAll('_', ' ').replaceAll('.', ': ')}</b> },
  { title: 'Of', cell: ({ subject }) => (subject ? <Id id={subject} /> : '—') },
  REASON,
  { title: 'Who', cell: ({ actor }) => <Who name={actor} /> },
  SOURCE,
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
  moment('When', 'at'),
  { title: 'What', cell: ({ action }) => <b>{action.replaceAll('_', ' ')}</b> },
  { title: 'Provider', cell: ({ provider_id }) => (provider_id ? <ProviderName id={provider_id} /> : '—') },
  { title: 'Version', cell: ({ version }) => version ?? '—', narrow: true },
  { title: 'Who', cell: ({ actor }) => <Who name={actor} /> },
  {
    title: 'Detail',
    cell: ({ detail }) => (detail ? <Detail of={detail} /> : '—'),
  },
];

/** What was changed, from what to what; all settings of something new where somebody opens them. */
function Detail({ of: { fields = {}, settings, ...others } }: { of: Record<string, unknown> }) {
  const changes = Object.entries(fields as Record<string, { from: unknown; to: unknown }>);
  return (
    <>
      {changes.map(([name, { from, to }]) => (
        <div key={name}>
          {name.replaceAll('_', ' ')}: <Value of={from} /> → <Value of={to} />
        </div>
      ))}
      {Object.entries(others).map(([name, value]) => (
        <div key={name}>
          {name.replaceAll('_', ' ')}: <Value of={value} />
        </div>
      ))}
      {settings !== undefined && (
        <details>
          <summary>all settings</summary>
          <pre className="code" tabIndex={0} aria-label="All settings as JSON">
            {JSON.stringify(settings, null, 2)}
          </pre>
        </details>
      )}
    </>
  );
}

const Value = ({ of }: { of: unknown }) =>
  of === null || of === undefined ? (
    <>none</>
  ) : (
    <span className="mono">{typeof of === 'string' ? of : JSON.stringify(of)}</span>
  );

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
  const [{ subject, source_event_id, provider_id }, change] = useFilters();
  const list = useList('GET /api/grants/v1/audit', { query: { subject, source_event_id, provider_id } });
  return (
    <>
      <List
        list={list}
        label="Audit of access"
        columns={AUDIT_COLUMNS}
        keyOf={({ id }) => id}
        empty={<Empty icon="scroll" title="No entries" />}
      />
      {(subject ?? source_event_id ?? provider_id) === undefined && (
        <Text size="xs" c="dimmed" mt="xs">
          Left out is what the canary does each minute, a synthetic revocation of nobody: its entries are in the chain
          like all others.{' '}
          <Anchor component="button" size="xs" onClick={() => change({ provider_id: CANARY })}>
            Show them
          </Anchor>
        </Text>
      )}
    </>
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
