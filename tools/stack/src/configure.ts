import type { Settings } from './settings.js';
import type { ServiceName } from './services.js';

/** The events that Rescind asks WorkOS for. */
export const SUBSCRIBED_EVENTS = [
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

/** `.local/stack.json`: where everything is, for programs. */
export interface StackFile {
  portal: string;
  webhookIngress: string;
  grants: string;
  tokenVerification: string;
  sandbox: string;
  kafkaBrokers: string;
  databaseUrl: string;
  adminApiKey: string;
  introspection: { clientId: string; clientSecret: string };
  provider: { id: string; issuer: string; jwksUri: string; clientId: string; audience: string; apiKey: string };
  webhook: { url: string; secret: string };
  pids: Record<string, number>;
}

type Json = Record<string, unknown>;

/** Over HTTP alone, as an administrator would: the sandbox as identity provider, and its webhooks switched on. */
export async function configure(
  urls: Record<ServiceName, string>,
  settings: Settings,
): Promise<Pick<StackFile, 'provider' | 'webhook'>> {
  const portal = caller(urls.portal, settings.adminApiKey);
  const sandbox = caller(urls.sandbox, settings.sandboxApiKey);
  const clientId = settings.sandboxClientId;
  const found = (await sandbox('GET', `/user_management/${clientId}/.well-known/openid-configuration`)) as {
    issuer: string;
    jwks_uri: string;
  };
  const wanted = {
    name: 'WorkOS sandbox',
    kind: 'workos',
    issuers: [found.issuer],
    jwks_uri: found.jwks_uri,
    client_id: clientId,
    audience: clientId,
    audience_policy: 'if_present',
    claim_mappings: { user_id: 'sub', organization_id: 'org_id', session_id: 'sid' },
    api_base_url: urls.sandbox,
    api_key: settings.sandboxApiKey,
  };
  const providers = (await portal('GET', '/v1/identity-providers'))['data'] as { id: string }[];
  const kept =
    settings.provider && providers.find(({ id }) => id === settings.provider!.id) ? settings.provider : undefined;
  const { kind: _, ...changeable } = wanted;
  const id = kept
    ? String((await portal('PATCH', `/v1/identity-providers/${kept.id}`, changeable))['id'])
    : String((await portal('POST', '/v1/identity-providers', wanted))['id']);

  let webhook = kept?.webhook;
  if (!webhook || !webhook.url.startsWith(`${urls.webhookIngress}/`)) {
    const enabled = await portal('POST', `/v1/identity-providers/${id}/webhook`);
    webhook = { url: String(enabled['url']), secret: String(enabled['secret'] ?? webhook?.secret) };
  }
  // The sandbox has forgotten its endpoints; it makes a secret of its own, as WorkOS does, which is pasted into the portal.
  const endpoint = await sandbox('POST', '/webhook_endpoints', {
    endpoint_url: webhook.url,
    events: SUBSCRIBED_EVENTS,
  });
  const secrets = (await portal('GET', `/v1/identity-providers/${id}/webhook`))['secrets'] as {
    id: string;
    origin: string;
  }[];
  for (const secret of secrets.filter(({ origin }) => origin === 'pasted')) {
    await portal('DELETE', `/v1/identity-providers/${id}/webhook/secrets/${secret.id}`);
  }
  await portal('POST', `/v1/identity-providers/${id}/webhook/secrets`, { secret: endpoint['secret'] });
  settings.provider = { id, webhook };
  return {
    provider: {
      id,
      issuer: found.issuer,
      jwksUri: found.jwks_uri,
      clientId,
      audience: clientId,
      apiKey: settings.sandboxApiKey,
    },
    webhook,
  };
}

function caller(base: string, key: string) {
  return async (method: string, path: string, body?: object): Promise<Json> => {
    const answer = await fetch(base + path, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${base}${path} answered ${answer.status}: ${text}`);
    return text === '' ? {} : (JSON.parse(text) as Json);
  };
}
