import { Badge, Chip, Group, Paper, SimpleGrid, Stack, Text } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { PORTAL } from '../api.js';
import { useFeed, useLiveInterval } from '../feed.js';
import { Icon, type IconName } from '../icons.js';
import { To, ToButton } from '../links.js';
import { useGet, useList, useProviders, useSession } from '../queries.js';
import type { FeedItem, FeedKind } from '../types.js';
import {
  Clock,
  Empty,
  EventLink,
  Failed,
  Known,
  Loading,
  ms,
  PageHead,
  ProviderName,
  Reason,
  Status,
  UserLink,
  When,
} from '../ui.js';
import { Me } from './me.js';

/** A person sees their own access; whoever works here sees what happens. */
export function Home() {
  return useSession().data?.role === 'person' ? <Me /> : <Live />;
}

const NEW_MS = 8_000;
const KINDS: Record<FeedKind, { label: string; icon: IconName; color: string }> = {
  webhook: { label: 'Webhooks', icon: 'inbox', color: 'indigo' },
  applied: { label: 'Applied', icon: 'check', color: 'teal' },
  revoked: { label: 'Revoked', icon: 'ban', color: 'red' },
  refused: { label: 'Refused', icon: 'shield', color: 'orange' },
  provider: { label: 'Settings', icon: 'plug', color: 'gray' },
  guard: { label: 'Guards', icon: 'alert', color: 'yellow' },
};

function Live() {
  const { items, state } = useFeed();
  const [shown, setShown] = useState<string[]>([]);
  const seen = shown.length === 0 ? items : items.filter(({ kind }) => shown.includes(kind));
  const providers = useProviders();
  if (providers.data?.data.length === 0) return <Welcome />;
  return (
    <>
      <PageHead
        title="Live"
        lead="What happens, as it happens: a webhook comes in, its event is applied, grants are revoked, downstream services are told."
      />
      <Tiles />
      <Chip.Group multiple value={shown} onChange={setShown}>
        <Group gap="xs" mb="sm" role="group" aria-label="Show only">
          {Object.entries(KINDS).map(([kind, { label }]) => (
            <Chip key={kind} value={kind} size="xs" variant="outline">
              {label}
            </Chip>
          ))}
        </Group>
      </Chip.Group>
      <Paper>
        {state === 'away' && items.length === 0 ? (
          <Lately />
        ) : seen.length === 0 ? (
          state === 'connecting' ? (
            <Loading />
          ) : (
            <Empty icon="activity" title="Quiet">
              Nothing has happened lately. Delete a test user in WorkOS, and watch.
            </Empty>
          )
        ) : (
          <ol className="story" aria-label="What happened, newest first">
            {seen.map((item) => (
              <Item key={item.key} item={item} />
            ))}
          </ol>
        )}
      </Paper>
    </>
  );
}

function Item({ item }: { item: FeedItem }) {
  const { icon, color } = KINDS[item.kind];
  // Decided once: what was there already does not arrive.
  const [isNew] = useState(() => Date.now() - Date.parse(item.at) < NEW_MS);
  return (
    <li data-kind={item.kind} data-new={isNew}>
      <Clock at={item.at} />
      <Text component="span" c={`var(--mantine-color-${color}-light-color)`} style={{ lineHeight: 1.6 }}>
        <Icon name={icon} size={16} />
      </Text>
      <Group gap={6} justify="space-between" wrap="nowrap" align="flex-start">
        <div style={{ minWidth: 0 }}>
          <Sentence item={item} />
        </div>
        {item.latency_ms !== undefined && (
          <Badge color="gray" size="sm" title="Since the webhook came in">
            +{ms(item.latency_ms)}
          </Badge>
        )}
      </Group>
    </li>
  );
}

function Sentence({ item }: { item: FeedItem }) {
  const { provider_id: provider = '', user_id, organization_id, session_id, event_id, grant_ids, reason } = item;
  const whom = user_id ? (
    <UserLink id={user_id} provider={provider} />
  ) : (
    <span className="mono">{session_id ?? organization_id ?? item.scope ?? ''}</span>
  );
  switch (item.kind) {
    case 'webhook':
      return (
        <>
          <b>{item.type}</b> came in {(user_id ?? organization_id ?? session_id) && <>about {whom} </>}
          {event_id && <EventLink id={event_id} provider={provider} />}
        </>
      );
    case 'applied':
      return (
        <>
          The event was applied: the access of {whom} was judged anew
          {reason ? (
            <>
              {' '}
              (<Reason code={reason} />)
            </>
          ) : (
            ''
          )}
        </>
      );
    case 'revoked':
      if (!reason) return <>Access of {whom} was opened; what was issued before stays void</>;
      return (
        <>
          <b>{endedOf(grant_ids)}</b> of {whom} ended, downstream told: <Reason code={reason} />
        </>
      );
    case 'refused':
      return (
        <>
          A token of {whom} was refused
          {reason ? (
            <>
              : <Reason code={reason} />
            </>
          ) : (
            ''
          )}
        </>
      );
    case 'provider':
      return (
        <>
          {item.type === 'provider_deleted'
            ? 'An identity provider was deleted: '
            : 'All services have the settings of '}
          <ProviderName id={provider} />
        </>
      );
    case 'guard':
      return (
        <>
          The guard of <ProviderName id={provider} /> {item.type?.replaceAll('_', ' ') ?? 'has tripped'}:{' '}
          <To to="/guards" size="sm">
            look at it
          </To>
        </>
      );
  }
}

/** What ended with a scope: nothing but tokens, some grants, or more than one message says. */
function endedOf(grantIds: readonly string[] | undefined): string {
  if (grantIds === undefined) return 'Grants';
  if (grantIds.length === 0) return 'Access';
  return grantIds.length === 1 ? '1 grant' : `${grantIds.length} grants`;
}

/** Without the feed: the newest events, asked for every few seconds. */
function Lately() {
  const events = useList('GET /api/grants/v1/events', {}, { every: useLiveInterval() });
  const rows = events.data?.pages[0]?.data;
  if (!rows) return events.isError ? <Failed error={events.error} again={events.refetch} /> : <Loading />;
  if (rows.length === 0) return <Empty icon="activity" title="No event has come in yet" />;
  return (
    <ol className="story" aria-label="The newest events">
      {rows.map((event) => (
        <li key={event.id}>
          <When at={event.applied_at} />
          <Text component="span" c="var(--mantine-color-indigo-light-color)">
            <Icon name="inbox" size={16} />
          </Text>
          <div>
            <b>{event.type}</b> <Status of={event.outcome} />{' '}
            {event.user_id && <UserLink id={event.user_id} provider={event.provider_id} />}{' '}
            <EventLink id={event.id} provider={event.provider_id} />
          </div>
        </li>
      ))}
    </ol>
  );
}

function Tiles() {
  const every = useLiveInterval();
  const providers = useProviders();
  const last = useGet('GET /api/grants/v1/events', { query: { limit: 1 } }, { every });
  const revoked = useGet('GET /api/grants/v1/revocations', { query: { limit: 1 } }, { every });
  const aside = useGet('GET /api/grants/v1/set-aside', { query: { status: 'waiting', limit: 100 } });
  return (
    <SimpleGrid cols={{ base: 2, md: 4 }} mb="lg" spacing="sm">
      <Tile label="Identity providers" to="/providers">
        <Known query={providers}>{({ data }) => data.length}</Known>
      </Tile>
      <Tile label="Last event" to="/events" note={last.data?.data[0]?.type}>
        <Known query={last}>{({ data }) => <When at={data[0]?.applied_at} never="none yet" />}</Known>
      </Tile>
      <Tile label="Last revocation" to="/revocations">
        <Known query={revoked}>{({ data }) => <When at={data[0]?.announced_at} never="none yet" />}</Known>
      </Tile>
      <Tile label="Set aside" to="/set-aside" note="wait for somebody">
        <Known query={aside}>{({ data }) => (data.length > 99 ? '99+' : data.length)}</Known>
      </Tile>
    </SimpleGrid>
  );
}

function Tile({
  label,
  note,
  to,
  children,
}: {
  label: string;
  note?: string | undefined;
  to: string;
  children: ReactNode;
}) {
  return (
    <Paper p="md">
      <Text size="xs" c="dimmed">
        <To to={to} c="inherit" size="xs">
          {label}
        </To>
      </Text>
      <Text fw={650} size="lg" component="div">
        {children}
      </Text>
      {note && (
        <Text size="xs" c="dimmed" truncate>
          {note}
        </Text>
      )}
    </Paper>
  );
}

function Welcome() {
  return (
    <>
      <PageHead title="Welcome" />
      <Paper p="xl">
        <Stack align="flex-start" maw={620}>
          <Text>
            When somebody leaves, everything they could open closes. For that Rescind has to know who signs your tokens,
            and WorkOS has to tell it who has left. Both take about three minutes.
          </Text>
          <ToButton to="/providers/new" leftSection={<Icon name="plus" size={16} />}>
            Set up WorkOS
          </ToButton>
          <Text size="xs" c="dimmed">
            Or keep your providers in git: <span className="mono">RESCIND_PROVIDERS_FILE</span>. The API is described at{' '}
            <a href="/openapi.json">/openapi.json</a> ({PORTAL}).
          </Text>
        </Stack>
      </Paper>
    </>
  );
}
