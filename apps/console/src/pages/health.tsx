import { Alert, Group, Paper, SimpleGrid, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { Chart } from '../chart.js';
import { PROVIDER } from '../columns.js';
import { Icon, type IconName } from '../icons.js';
import { useGet, useProviders } from '../queries.js';
import type { CanaryAnswer, Completeness, HealthAnswer, Provider, ServiceHealth } from '../types.js';
import {
  Answered,
  type Column,
  count,
  Empty,
  EventLink,
  Known,
  Light,
  ms,
  PageHead,
  ProviderName,
  Section,
  Status,
  Table,
  When,
} from '../ui.js';
import { useLastEvent, useWebhook } from './webhook.js';

export function Health() {
  const health = useGet('GET /api/health', {}, { every: 5_000 });
  const providers = useProviders();
  return (
    <>
      <PageHead
        title="Health"
        lead="Whether the services can keep their promises right now, how far behind they are, and whether WorkOS’s signals arrive."
      />
      <Answered query={health}>
        {(data) => (
          <>
            <SimpleGrid cols={{ base: 1, md: 2 }} spacing="sm">
              {data.services.map((service) => (
                <Service key={service.name} service={service} />
              ))}
            </SimpleGrid>
            <Canary />
            <Charts of={data} />
          </>
        )}
      </Answered>
      <Section title="Signals">
        <Paper>
          <Answered query={providers}>
            {({ data }) =>
              data.length === 0 ? <Empty icon="plug" title="No identity provider yet" /> : <Signals providers={data} />
            }
          </Answered>
        </Paper>
      </Section>
      <Missed />
    </>
  );
}

const STATE: Record<ServiceHealth['status'], { color: string; words: string }> = {
  ready: { color: 'teal', words: 'ready' },
  not_ready: { color: 'red', words: 'not ready' },
  away: { color: 'red', words: 'does not answer' },
  not_configured: { color: 'gray', words: 'the portal was not told where it is' },
};

function Service({ service }: { service: ServiceHealth }) {
  const { color, words } = STATE[service.status];
  const { keys_missing: keysMissing = [], ...others } = service.facts as { keys_missing?: string[] };
  const facts = Object.entries(others).flatMap(([name, value]) => flat(name, value));
  return (
    <Paper p="md" data-service={service.name}>
      <Group justify="space-between" mb={6} wrap="nowrap">
        <Text fw={600} size="sm">
          {service.name}
        </Text>
        <Group gap={6} wrap="nowrap">
          <Light color={color} />
          <Text size="xs" c="dimmed">
            {words}
          </Text>
        </Group>
      </Group>
      {Object.entries(service.missing).map(([name, problem]) => (
        <Text key={name} size="sm" c="var(--mantine-color-red-light-color)">
          <b>{name}</b> {problem}
        </Text>
      ))}
      {keysMissing.map((id) => (
        <Text key={id} size="sm" c="var(--mantine-color-red-light-color)">
          has no keys of <ProviderName id={id} /> and answers its tokens with 503
        </Text>
      ))}
      <dl className="facts" style={{ gap: '2px 14px', fontSize: 12 }}>
        {facts.map(([name, value]) => (
          <div key={name} style={{ display: 'contents' }}>
            <dt>{FACTS[name] ?? name.replaceAll('_', ' ')}</dt>
            <dd>{factWords(name, value)}</dd>
          </div>
        ))}
      </dl>
    </Paper>
  );
}

/** One level of what is said within: `outbox: { rows }` becomes `outbox rows`. */
function flat(name: string, value: unknown): [string, unknown][] {
  if (value === null || typeof value !== 'object') return [[name, value]];
  return Object.entries(value)
    .filter(([, inner]) => inner === null || typeof inner !== 'object')
    .map(([inner, known]) => [`${name} ${inner}`, known]);
}

const FACTS: Record<string, string> = {
  view_age_ms: 'view age',
  age_ms: 'view age',
  as_of: 'knows all until',
  marking_jobs: 'scopes being marked',
};

function factWords(name: string, value: unknown): ReactNode {
  if (value === null) return 'not known';
  if (name === 'as_of') return <When at={String(value)} />;
  if (typeof value === 'number') return name.endsWith('_ms') ? ms(value) : count(value);
  return String(value);
}

function Charts({ of }: { of: HealthAnswer }) {
  const { series } = of;
  if (!series || series.at.length < 2) {
    return (
      <Text size="sm" c="dimmed" mt="lg">
        The charts begin a few seconds after the portal has started.
      </Text>
    );
  }
  const chart = (name: string) => series.values[name] ?? [];
  return (
    <Section title="The last hour">
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="sm">
        <Chart
          title="Webhooks taken, each minute"
          at={series.at}
          lines={[
            { name: 'taken', color: 'indigo', values: chart('webhooks') },
            { name: 'refused', color: 'red', values: chart('webhooks_refused') },
          ]}
        />
        <Chart
          title="From webhook to commit, ms"
          at={series.at}
          lines={[{ name: 'mean', color: 'teal', values: chart('applied_latency_ms') }]}
        />
        <Chart
          title="Verdicts on tokens, each minute"
          at={series.at}
          lines={[
            { name: 'active', color: 'teal', values: chart('tokens_active') },
            { name: 'refused', color: 'red', values: chart('tokens_refused') },
          ]}
        />
        <Chart
          title="Age of the verifier’s view, s"
          at={series.at}
          lines={[{ name: 'age', color: 'orange', values: chart('view_age_seconds') }]}
        />
        <Chart
          title="Grants marked, each minute"
          at={series.at}
          lines={[{ name: 'marked', color: 'indigo', values: chart('grants_marked') }]}
        />
        <Chart
          title="Records not applied yet"
          at={series.at}
          lines={[{ name: 'lag', color: 'orange', values: chart('lag_records') }]}
        />
      </SimpleGrid>
      <Text size="xs" c="dimmed" mt="xs">
        Of whichever replica answered this portal; Prometheus has all of them (/metrics).
      </Text>
    </Section>
  );
}

const CANARY: Record<CanaryAnswer['status'], { color: string; icon: IconName; title: string }> = {
  refused: { color: 'teal', icon: 'check', title: 'Revocation is seen to work, end to end' },
  failing: { color: 'red', icon: 'alert', title: 'The last synthetic revocation did not come through' },
  unknown: { color: 'yellow', icon: 'alert', title: 'None came through lately: whether revocation works is not known' },
  not_configured: { color: 'gray', icon: 'dot', title: 'No synthetic revocation is sent' },
};

/** A membership of nobody ends, again and again: from the webhook to the moment from which its token is refused. */
function Canary() {
  const canary = useGet('GET /api/grants/v1/canary', {}, { every: 10_000 });
  return (
    <Section title="A synthetic revocation, through everything">
      <Answered query={canary}>
        {({ status, last, last_hour }) => {
          const { color, icon, title } = CANARY[status];
          return (
            <Alert color={color} icon={<Icon name={icon} />} title={title} data-canary={status}>
              {status === 'not_configured' ? (
                <Text size="sm">
                  With WEBHOOK_INGRESS_URL and TOKEN_VERIFICATION_URL grants sends one each minute, from the webhook to
                  the refusal.
                </Text>
              ) : (
                <dl className="facts">
                  <dt>Last one</dt>
                  <dd>
                    {last ? (
                      <>
                        <When at={last.at} />
                        {last.refused_ms !== null && (
                          <>
                            : refused <b>{ms(last.refused_ms)}</b> after its webhook
                          </>
                        )}
                        {last.problem && `: ${last.problem}`}
                      </>
                    ) : (
                      'none yet'
                    )}
                  </dd>
                  <dt>Last hour</dt>
                  <dd>
                    {count(last_hour.runs)} sent
                    {last_hour.failed > 0 && <b>, {count(last_hour.failed)} failed</b>}
                    {last_hour.p50_ms !== null && `; half within ${ms(last_hour.p50_ms)}`}
                    {last_hour.p99_ms !== null && `, 99 % within ${ms(last_hour.p99_ms)}`}
                    {last_hour.worst_ms !== null && `, the slowest ${ms(last_hour.worst_ms)}`}
                  </dd>
                </dl>
              )}
            </Alert>
          );
        }}
      </Answered>
    </Section>
  );
}

function Signals({ providers }: { providers: Provider[] }) {
  const completeness = useGet('GET /api/grants/v1/completeness', {}, { every: 10_000 });
  const told = (id: string, tell: (certificate: Completeness | undefined) => ReactNode) => (
    <Known query={completeness}>{({ data }) => tell(data.find(({ provider_id }) => provider_id === id))}</Known>
  );
  const columns: Column<Provider>[] = [
    { title: 'Provider', cell: ({ id }) => <ProviderName id={id} /> },
    { title: 'Last webhook', cell: (provider) => <LastWebhook provider={provider} />, narrow: true },
    {
      title: 'Complete',
      cell: ({ id }) =>
        told(id, (certificate) =>
          certificate ? (
            <Group gap={6}>
              <Status of={certificate.status} />
              {certificate.problem && <span>{certificate.problem}</span>}
            </Group>
          ) : (
            <Text size="sm" c="dimmed">
              not checked against the Events API
            </Text>
          ),
        ),
    },
    { title: 'Up to', cell: ({ id }) => told(id, (known) => <When at={known?.complete_up_to} />), narrow: true },
    { title: 'Checked', cell: ({ id }) => told(id, (known) => <When at={known?.checked_at} />), narrow: true },
  ];
  return <Table label="Signals" rows={providers} columns={columns} keyOf={({ id }) => id} />;
}

function LastWebhook({ provider }: { provider: Provider }) {
  const webhook = useWebhook(provider);
  const last = useLastEvent(provider);
  const at = webhook.data?.last_delivery_at;
  return at ? (
    <When at={at} />
  ) : (
    <Known query={last}>{({ data }) => <When at={data[0]?.received_at} never="none yet" />}</Known>
  );
}

function Missed() {
  const missed = useGet('GET /api/grants/v1/missed-webhooks', { query: { limit: 20 } }, { every: 30_000 });
  if (missed.isPending || missed.data?.data.length === 0) return null;
  return (
    <Section title="Webhooks that did not come in time">
      <Text size="sm" c="dimmed" mb="xs">
        Found with the Events API, and applied from there.
      </Text>
      <Paper>
        <Answered query={missed}>
          {({ data }) => (
            <Table
              label="Missed webhooks"
              rows={data}
              keyOf={({ event_id, provider_id }) => `${provider_id}/${event_id}`}
              columns={[
                {
                  title: 'Event',
                  cell: ({ event_id, provider_id }) => <EventLink id={event_id} provider={provider_id} />,
                },
                { title: 'Type', cell: ({ type }) => type },
                PROVIDER,
                {
                  title: 'Late by',
                  cell: ({ late_by_ms }) => (late_by_ms === null ? '—' : ms(late_by_ms)),
                  narrow: true,
                },
                {
                  title: 'Repaired',
                  cell: ({ repaired_at }) => <When at={repaired_at} />,
                  narrow: true,
                },
                {
                  title: 'Webhook',
                  cell: ({ webhook_arrived_at }) => <When at={webhook_arrived_at} never="never came" />,
                  narrow: true,
                },
              ]}
            />
          )}
        </Answered>
      </Paper>
    </Section>
  );
}
