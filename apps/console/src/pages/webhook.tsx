import {
  Alert,
  Badge,
  Button,
  CopyButton,
  Group,
  List as Bullets,
  Paper,
  PasswordInput,
  Stack,
  Text,
  ThemeIcon,
} from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { ApiProblem, call, PORTAL } from '../api.js';
import { doing, moment } from '../columns.js';
import { Icon } from '../icons.js';
import { useGet, useSend, useSession } from '../queries.js';
import { deliveryRefusal } from '../reasons.js';
import type { Provider, Webhook, WebhookSecret } from '../types.js';
import { Answered, type Column, CopyLine, Id, Refusal, Status, Table, Waiting, When } from '../ui.js';

const WAIT_MS = 2_000;

export function useWebhook(provider: Provider) {
  return useGet(
    'GET /v1/identity-providers/{id}/webhook',
    { path: { id: provider.id } },
    { enabled: provider.webhook_enabled, every: WAIT_MS * 2 },
  );
}

/** The last event that came in of a provider: the proof that its webhooks arrive, whoever keeps count of deliveries. */
export function useLastEvent({ id }: Provider) {
  return useGet('GET /api/grants/v1/events', { query: { limit: 1, provider_id: id } }, { every: WAIT_MS });
}

/** All there is to do about webhooks, in order; each part says when it is done. */
export function WebhookPanel({ provider }: { provider: Provider }) {
  const webhook = useWebhook(provider);
  const enable = useSend(
    () => call('POST /v1/identity-providers/{id}/webhook', { path: { id: provider.id } }),
    [`${PORTAL}/identity-providers`],
  );
  const mayChange = useSession().data?.role === 'administrator';
  if (!provider.webhook_enabled) {
    return (
      <Stack align="flex-start">
        <Text size="sm">
          WorkOS tells of each change with a webhook: a POST to a URL that only WorkOS and you know, signed with a
          secret that only you two know.
        </Text>
        <Refusal error={enable.error} />
        <Button loading={enable.isPending} disabled={!mayChange} onClick={() => enable.mutate()}>
          Enable webhooks
        </Button>
      </Stack>
    );
  }
  return (
    <Answered query={webhook}>
      {(data) => (
        <Stack gap="xl">
          <Part n={1} title="Make an endpoint in WorkOS">
            <Text size="sm">
              In the WorkOS dashboard open <b>Webhooks</b> → <b>Create Webhook</b>, and paste this URL:
            </Text>
            <CopyLine text={data.url} what="the endpoint’s URL" />
          </Part>
          <Part n={2} title="Subscribe to these events">
            <Events events={data.recommended_events} />
          </Part>
          <Part n={3} title="Paste the signing secret" done={data.secrets.some(({ origin }) => origin === 'pasted')}>
            <Secrets provider={provider} webhook={data} mayChange={mayChange} />
          </Part>
          <Part n={4} title="The first delivery" done={hasArrived(data)}>
            <FirstDelivery provider={provider} webhook={data} />
          </Part>
        </Stack>
      )}
    </Answered>
  );
}

const hasArrived = (webhook: Webhook): boolean => Boolean(webhook.last_delivery_at);

function Part({ n, title, done = false, children }: { n: number; title: string; done?: boolean; children: ReactNode }) {
  return (
    <Group align="flex-start" wrap="nowrap" gap="md">
      <ThemeIcon
        size={26}
        radius="xl"
        variant={done ? 'filled' : 'light'}
        color={done ? 'teal.9' : 'indigo'}
        aria-hidden
      >
        {done ? <Icon name="check" size={14} /> : <Text size="xs">{n}</Text>}
      </ThemeIcon>
      <Stack gap="xs" style={{ flex: 1, minWidth: 0 }}>
        <Text fw={600}>{title}</Text>
        {children}
      </Stack>
    </Group>
  );
}

function Events({ events }: { events: Webhook['recommended_events'] }) {
  return (
    <>
      <Group justify="space-between" gap="xs">
        <Text size="sm">Whatever else is sent is kept, and has no effect.</Text>
        <CopyButton value={events.map(({ event }) => event).join('\n')} timeout={1_500}>
          {({ copied, copy }) => (
            <Button
              size="xs"
              variant="default"
              onClick={copy}
              leftSection={<Icon name={copied ? 'check' : 'copy'} size={14} />}
            >
              {copied ? 'Copied' : 'Copy all names'}
            </Button>
          )}
        </CopyButton>
      </Group>
      <Paper>
        <Table
          label="Recommended events"
          rows={events}
          keyOf={({ event }) => event}
          columns={[
            {
              title: 'Event',
              cell: ({ event }) => (
                <Group gap={6}>
                  <span className="mono">{event}</span>
                  {event === 'organization_membership.updated' && <Badge color="orange">do not miss this one</Badge>}
                </Group>
              ),
            },
            { title: 'Why', cell: ({ why }) => why },
          ]}
        />
      </Paper>
    </>
  );
}

function Secrets({ provider, webhook, mayChange }: { provider: Provider; webhook: Webhook; mayChange: boolean }) {
  const [secret, setSecret] = useState('');
  const touches = [`${PORTAL}/identity-providers`];
  const paste = useSend(
    () => call('POST /v1/identity-providers/{id}/webhook/secrets', { path: { id: provider.id }, body: { secret } }),
    touches,
  );
  const retire = useSend(
    (secretId: string) =>
      call('DELETE /v1/identity-providers/{id}/webhook/secrets/{secretId}', { path: { id: provider.id, secretId } }),
    touches,
  );
  const columns: Column<WebhookSecret>[] = [
    { title: 'Secret', cell: ({ id }) => <Id id={id} /> },
    {
      title: 'Origin',
      cell: ({ origin }) => <Status of={origin}>{origin === 'pasted' ? 'of WorkOS' : 'our own'}</Status>,
      narrow: true,
    },
    moment('Since', 'created_at'),
    moment('Last used', 'last_used_at', 'never'),
    ...doing(mayChange && !webhook.declared, ({ id }: WebhookSecret) => (
      <Button size="xs" variant="default" disabled={webhook.secrets.length < 2} onClick={() => retire.mutate(id)}>
        Retire
      </Button>
    )),
  ];
  if (webhook.declared) {
    return <Text size="sm">The endpoint and its secrets stand in the providers file, and are changed there.</Text>;
  }
  return (
    <>
      <Text size="sm">
        WorkOS shows it on the page of the endpoint that you have just made. It is sealed here, and never shown again.
      </Text>
      {mayChange && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            paste.mutate(undefined, { onSuccess: () => setSecret('') });
          }}
        >
          <Group align="flex-start" gap="xs">
            <PasswordInput
              aria-label="Signing secret"
              placeholder="The signing secret of the endpoint"
              value={secret}
              onChange={({ currentTarget }) => {
                setSecret(currentTarget.value);
                paste.reset();
              }}
              error={
                paste.error instanceof ApiProblem
                  ? paste.error.sentence
                  : paste.error
                    ? 'It could not be sent.'
                    : undefined
              }
              autoComplete="off"
              style={{ flex: '1 1 260px' }}
              visibilityToggleButtonProps={{ 'aria-label': 'Show or hide the secret', tabIndex: 0 }}
            />
            <Button type="submit" loading={paste.isPending}>
              Keep it
            </Button>
          </Group>
        </form>
      )}
      <Paper>
        <Table label="Signing secrets" rows={webhook.secrets} columns={columns} keyOf={({ id }) => id} />
      </Paper>
      <Refusal error={retire.error} />
    </>
  );
}

/** Turns green by itself. */
function FirstDelivery({ provider, webhook }: { provider: Provider; webhook: Webhook }) {
  const last = useLastEvent(provider).data?.data[0];
  const arrived = webhook.last_delivery_at ?? last?.received_at ?? last?.applied_at;
  const { last_refused } = webhook;
  const isRefusedLast = last_refused && (!arrived || Date.parse(last_refused.at) > Date.parse(arrived));
  return (
    <Stack gap="sm">
      {isRefusedLast && (
        <Alert color="red" icon={<Icon name="alert" />} title="A delivery came, and was refused" role="alert">
          <Text size="sm" component="div">
            <When at={last_refused.at} />: {deliveryRefusal(last_refused.code)}
          </Text>
        </Alert>
      )}
      {arrived ? (
        <Alert color="teal" icon={<Icon name="check" />} title="Deliveries arrive" role="status">
          <Text size="sm" component="div">
            The last one came <When at={arrived} />
            {last && (
              <>
                : <b>{last.type}</b>
              </>
            )}
            . Its signature was right, and Kafka holds it.
          </Text>
        </Alert>
      ) : (
        <>
          <Waiting>Waiting for the first delivery…</Waiting>
          <Bullets size="sm" spacing={4}>
            <Bullets.Item>
              On the endpoint’s page in WorkOS press <b>Send test event</b>. The test is about somebody who does not
              exist, so it ends nobody’s access.
            </Bullets.Item>
            <Bullets.Item>
              Or change something real: rename a test user. A delivery takes about a second; this turns green by itself.
            </Bullets.Item>
            <Bullets.Item>
              Nothing comes? WorkOS must reach the URL from the internet. A tunnel such as ngrok or cloudflared does it
              on your own machine.
            </Bullets.Item>
          </Bullets>
        </>
      )}
    </Stack>
  );
}
