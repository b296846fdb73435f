import { Group, List as Bullets, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { Icon } from '../icons.js';
import { To } from '../links.js';
import { useGet } from '../queries.js';
import { meaningOf } from '../reasons.js';
import type { Provider } from '../types.js';
import { When } from '../ui.js';
import { useLastEvent, useWebhook } from './webhook.js';

interface Check {
  name: string;
  /** undefined: not yet known. */
  done: boolean | undefined;
  /** Seen to work, rather than set. */
  proof: ReactNode;
  todo: string;
  step?: string;
  optional?: boolean;
}

/** What is set up and seen to work, and what nobody has seen work yet. */
export function useChecks(provider: Provider): Check[] {
  const webhook = useWebhook(provider);
  const last = useLastEvent(provider);
  const newest = last.data?.data[0];
  const seen = useGet('GET /api/grants/v1/users', { query: { limit: 20, provider_id: provider.id } }, { every: 5_000 });
  const revoked = useGet(
    'GET /api/grants/v1/revocations',
    { query: { limit: 20, provider_id: provider.id } },
    { every: 5_000 },
  );
  const ended = revoked.data?.data.find(({ reason, source_event_id }) => reason !== null && source_event_id !== null);
  const completeness = useGet('GET /api/grants/v1/completeness', {}, { every: 10_000 });
  const mine = completeness.data?.data.find(({ provider_id }) => provider_id === provider.id);
  return [
    {
      name: 'All services have the settings',
      done: provider.published,
      proof: `Version ${provider.version} is on identity.providers.`,
      todo: 'Kafka has not taken the last change yet; it is sent again by itself.',
    },
    {
      name: 'The group claim is confirmed',
      done: provider.claim_mappings_confirmed_at !== null,
      proof: `Organizations are read from ${provider.claim_mappings.organization_id}.`,
      todo: 'Somebody has to say that this claim names the organization.',
    },
    {
      name: 'The signing secret is here',
      done: provider.webhook_enabled && webhook.data?.secrets.some(({ origin }) => origin === 'pasted'),
      proof: 'Sealed; never shown again.',
      todo: 'Make the endpoint in WorkOS, and paste its signing secret.',
      step: 'webhooks',
    },
    {
      name: 'A webhook has come in',
      done: webhook.data?.last_delivery_at ? true : last.data && last.data.data.length > 0,
      proof: newest ? `The last one: ${newest.type}.` : 'Its signature was right.',
      todo: 'Send a test event from the endpoint’s page in WorkOS.',
      step: 'webhooks',
    },
    {
      name: 'A token of this provider was good',
      done: seen.data?.data.some(({ last_seen_at }) => last_seen_at !== null),
      proof: 'Somebody’s token was judged active.',
      todo: 'Paste a token of a test user at “Verify a token”: it says whether the keys, the issuer and the claims are right.',
    },
    {
      name: 'A revocation went all the way',
      done: revoked.data && ended !== undefined,
      proof: ended?.reason && (
        <>
          {meaningOf(ended.reason).title}, <When at={ended.announced_at} />: an event of WorkOS ended access, and
          downstream services were told.
        </>
      ),
      todo: 'Delete a test user in WorkOS, or deactivate their membership: within a second their access ends, and this turns green.',
    },
    {
      name: 'The API key is here',
      done: provider.api_key_set,
      proof: 'Lost webhooks are found with the Events API.',
      todo: 'Without it a webhook that WorkOS could not deliver is never missed.',
      step: 'sign-in',
      optional: true,
    },
    {
      name: 'Somebody has signed in with AuthKit',
      done: provider.last_sign_in_at !== null,
      proof: (
        <>
          The last time <When at={provider.last_sign_in_at} />: redirect URI, client ID and API key are right.
        </>
      ),
      todo: 'Sign out here, and in again with this provider. That tries the redirect URI, the client ID and the API key.',
      step: 'sign-in',
      optional: true,
    },
    ...(mine
      ? [
          {
            name: 'Nothing is missing',
            done: mine.status === 'complete',
            proof: (
              <>
                Complete up to <When at={mine.complete_up_to} />.
              </>
            ),
            todo: asSentence(mine.problem ?? 'the Events API was not read so far'),
            optional: true,
          },
        ]
      : []),
  ];
}

/** What a service says of itself begins small and ends without a stop. */
const asSentence = (said: string): string => `${said.charAt(0).toUpperCase()}${said.slice(1).replace(/\.$/, '')}.`;

export function CheckList({ provider }: { provider: Provider }) {
  return (
    <Bullets listStyleType="none" spacing="sm" aria-label="What is verified end to end">
      {useChecks(provider).map(({ name, done, proof, todo, step, optional }) => (
        <Bullets.Item key={name} data-done={done === true}>
          <Group gap="sm" wrap="nowrap" align="flex-start">
            <Text
              component="span"
              c={`var(--mantine-color-${done ? 'teal' : optional || done === undefined ? 'gray' : 'orange'}-light-color)`}
              mt={2}
            >
              <Icon name={done ? 'check' : optional || done === undefined ? 'dot' : 'clock'} size={17} />
            </Text>
            <div>
              <Text size="sm" fw={600}>
                {name}
                <span className="sr">{done ? ': yes' : done === undefined ? ': not known' : ': not yet'}</span>
                {optional && !done && (
                  <Text span size="xs" c="dimmed" fw={400}>
                    {' '}
                    (optional)
                  </Text>
                )}
              </Text>
              <Text size="xs" c="dimmed" component="div">
                {done ? (
                  proof
                ) : done === undefined ? (
                  'Not known at this moment.'
                ) : (
                  <>
                    {todo}{' '}
                    {step && (
                      <To
                        to="/providers/$providerId/set-up"
                        params={{ providerId: provider.id }}
                        search={{ step }}
                        size="xs"
                      >
                        Do it
                      </To>
                    )}
                  </>
                )}
              </Text>
            </div>
          </Group>
        </Bullets.Item>
      ))}
    </Bullets>
  );
}
