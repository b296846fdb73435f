import { Group, Paper } from '@mantine/core';
import { useParams, useSearch } from '@tanstack/react-router';
import { moment } from '../columns.js';
import { useLiveInterval } from '../feed.js';
import { ProviderChoice, SearchBox, useFilters } from '../filters.js';
import { useGet, useList } from '../queries.js';
import { outcomeMeans } from '../reasons.js';
import type { WorkOSEvent } from '../types.js';
import {
  Answered,
  type Column,
  Empty,
  EventLink,
  Id,
  List,
  ms,
  PageHead,
  ProviderName,
  Section,
  Status,
  UserLink,
  When,
} from '../ui.js';
import { AUDIT_COLUMNS } from './audit.js';

export const EVENT_COLUMNS: Column<WorkOSEvent>[] = [
  moment('Applied', 'applied_at'),
  { title: 'Type', cell: ({ type }) => <b>{type}</b> },
  { title: 'Outcome', cell: ({ outcome }) => <Status of={outcome} />, narrow: true },
  {
    title: 'About',
    cell: ({ user_id, organization_id, provider_id }) =>
      user_id ? <UserLink id={user_id} provider={provider_id} /> : organization_id ? <Id id={organization_id} /> : '—',
  },
  { title: 'Took', cell: (event) => took(event), narrow: true },
  { title: 'Event', cell: ({ id, provider_id }) => <EventLink id={id} provider={provider_id} />, narrow: true },
];

function took({ received_at, applied_at }: WorkOSEvent): string {
  return received_at === null ? '—' : ms(Math.max(0, Date.parse(applied_at) - Date.parse(received_at)));
}

export function Events() {
  const [{ user_id, organization_id, type, provider_id }] = useFilters();
  const list = useList(
    'GET /api/grants/v1/events',
    { query: { user_id, organization_id, type, provider_id } },
    { every: useLiveInterval() },
  );
  return (
    <>
      <PageHead
        title="Events"
        lead="Each event of WorkOS as it came first; whatever comes again changes nothing and is not listed twice."
      />
      <Group mb="sm">
        <SearchBox name="type" label="Type" placeholder="Type, such as user.deleted" width={230} />
        <SearchBox name="user_id" label="User id" width={230} />
        <SearchBox name="organization_id" label="Organization id" width={230} />
        <ProviderChoice />
      </Group>
      <List
        list={list}
        label="Events"
        columns={EVENT_COLUMNS}
        keyOf={({ id, provider_id }) => `${provider_id}/${id}`}
        empty={
          <Empty icon="inbox" title="No events">
            {type || user_id || organization_id
              ? 'None is like that. Types and ids are compared as a whole.'
              : 'None has come in. Does WorkOS know the URL of your endpoint? The provider’s page says.'}
          </Empty>
        }
      />
    </>
  );
}

export function EventPage() {
  const { eventId } = useParams({ from: '/events/$eventId' });
  const { provider_id } = useSearch({ from: '/events/$eventId' });
  const event = useGet('GET /api/grants/v1/events/{id}', { path: { id: eventId }, query: { provider_id } });
  const audit = useList('GET /api/grants/v1/audit', { query: { source_event_id: eventId } });
  return (
    <>
      <PageHead title={event.data?.type ?? 'Event'} lead={<Id id={eventId}>{eventId}</Id>} />
      <Answered query={event}>{(data) => <Facts event={data} />}</Answered>
      <Section title="What it did">
        <List
          list={audit}
          label="What it did"
          columns={AUDIT_COLUMNS}
          keyOf={({ id }) => id}
          empty={<Empty icon="scroll" title="It changed nothing" />}
        />
      </Section>
      {event.data && (
        <Section title="What WorkOS said">
          <pre className="code" tabIndex={0} aria-label="The event as JSON">
            {JSON.stringify(event.data.event, null, 2)}
          </pre>
        </Section>
      )}
    </>
  );
}

function Facts({ event }: { event: WorkOSEvent }) {
  return (
    <Paper p="md">
      <dl className="facts">
        <dt>Outcome</dt>
        <dd>
          <Status of={event.outcome} /> {outcomeMeans(event.outcome)}
        </dd>
        <dt>Provider</dt>
        <dd>
          <ProviderName id={event.provider_id} />
        </dd>
        {event.user_id && (
          <>
            <dt>User</dt>
            <dd>
              <UserLink id={event.user_id} provider={event.provider_id} />
            </dd>
          </>
        )}
        {event.organization_id && (
          <>
            <dt>Organization</dt>
            <dd>
              <Id id={event.organization_id} />
            </dd>
          </>
        )}
        <dt>Happened</dt>
        <dd>
          <When at={event.occurred_at} />, says WorkOS; this time alone decides
        </dd>
        <dt>Received</dt>
        <dd>
          <When at={event.received_at} />
        </dd>
        <dt>Applied</dt>
        <dd>
          <When at={event.applied_at} />, {took(event)} after it came in
        </dd>
        <dt>In Kafka</dt>
        <dd className="mono">
          {event.topic} · partition {event.partition} · offset {event.offset}
        </dd>
      </dl>
    </Paper>
  );
}
