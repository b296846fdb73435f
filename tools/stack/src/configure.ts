import { eventually } from '#testing/eventually.js';
import type { StackFile } from '#testing/stack-file.js';
import { apiOf } from './api.js';
import type { Settings } from './settings.js';

/** The events that Rescind asks WorkOS for. */
const SUBSCRIBED_EVENTS = [
  'user.created',
  'user.updated',
  'user.deleted',
  'organization_membership.created',
  'organization_membership.updated',
  'organization_membership.deleted',
  'organization.created',
  'organization.updated',
  'organization.deleted',
  'session.created',
  'session.revoked',
];

type Urls = Record<'portal' | 'tokenVerification' | 'sandbox', string>;
type Keys = Pick<Settings, 'adminApiKey' | 'sandboxApiKey' | 'sandboxClientId'>;

/** Over HTTP alone, as an administrator would: the sandbox as identity provider. The one of an earlier start is changed. */
export async function registerProvider(urls: Urls, keys: Keys): Promise<StackFile['provider']> {
  const portal = apiOf(urls.portal, keys.adminApiKey);
  const { sandboxClientId: clientId, sandboxApiKey: apiKey } = keys;
  const discovery = await apiOf(urls.sandbox, apiKey)(
    'GET',
    `/user_management/${clientId}/.well-known/openid-configuration`,
  );
  const [issuer, jwksUri] = [String(discovery['issuer']), String(discovery['jwks_uri'])];
  const wanted = {
    name: 'WorkOS sandbox',
    issuers: [issuer],
    jwks_uri: jwksUri,
    client_id: clientId,
    audience: clientId,
    audience_policy: 'if_present',
    claim_mappings: { user_id: 'sub', organization_id: 'org_id', session_id: 'sid' },
    api_base_url: urls.sandbox,
    api_key: apiKey,
  };
  const known = (await portal('GET', '/v1/identity-providers'))['data'] as { id: string; client_id: string | null }[];
  const kept = known.find(({ client_id }) => client_id === clientId);
  const provider = kept
    ? await portal('PATCH', `/v1/identity-providers/${kept.id}`, wanted)
    : await portal('POST', '/v1/identity-providers', { ...wanted, kind: 'workos' });
  return { id: String(provider['id']), issuer, jwksUri, clientId, audience: clientId, apiKey };
}

/**
 * Switches the webhook on, and lets the sandbox, which has forgotten its endpoints, send there: it makes a secret of its own,
 * as WorkOS does, which is pasted into the portal in place of the former one. Resolves once the services know.
 */
export async function connectSandbox(
  urls: Urls,
  keys: Keys,
  { id, issuer }: StackFile['provider'],
): Promise<StackFile['webhook']> {
  const portal = apiOf(urls.portal, keys.adminApiKey);
  const path = `/v1/identity-providers/${id}/webhook`;
  const enabled = await portal('POST', path);
  const webhook = { url: String(enabled['url']), secret: String(enabled['secret']) };
  const secrets = (await portal('GET', path))['secrets'] as { id: string; origin: string }[];
  for (const secret of secrets.filter(({ origin }) => origin === 'pasted')) {
    await portal('DELETE', `${path}/secrets/${secret.id}`);
  }
  const sandbox = apiOf(urls.sandbox, keys.sandboxApiKey);
  const endpoint = { endpoint_url: webhook.url, events: SUBSCRIBED_EVENTS };
  await portal('POST', `${path}/secrets`, {
    secret: (await sandbox('POST', '/webhook_endpoints', endpoint))['secret'],
  });
  const verifier = apiOf(urls.tokenVerification, keys.adminApiKey);
  await Promise.all([
    eventually(async () => (await fetch(webhook.url, { method: 'POST' })).status === 401, { what: 'the endpoint' }),
    eventually(
      async () => (await verifier('POST', '/v1/tokens/verify', probeOf(issuer)))['reason'] !== 'issuer_unknown',
      {
        what: 'the issuer at token-verification',
      },
    ),
  ]);
  return webhook;
}

/** A token that is refused before any key is asked for: its algorithm is not one of the sandbox's. */
function probeOf(issuer: string): { token: string } {
  const part = (content: object): string => Buffer.from(JSON.stringify(content)).toString('base64url');
  return { token: [part({ alg: 'ES256', kid: 'probe' }), part({ iss: issuer }), 'AA'].join('.') };
}
