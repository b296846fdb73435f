import type { CanaryFacts, Facts, ProviderFacts, ServiceFacts, SourceFacts, StreamFacts } from './diagnose.js';
import { ask, Ended, type Installation, SERVICES, type ServiceName } from './installation.js';

const TIMEOUT_MS = 10_000;

/** Finds out what {@link Facts} holds, by requests that change nothing. Never throws for what is away. */
export async function examine(installation: Installation): Promise<Facts> {
  const services = await Promise.all(SERVICES.map((name) => examineService(installation, name)));
  const providers = await attempt(installation, 'portal', '/v1/identity-providers');
  return {
    now: Date.now(),
    services,
    keyAccepted: providers && providers.status !== 401 ? true : providers ? false : undefined,
    providers:
      providers?.status === 200
        ? await Promise.all((providers.body.data as Provider[]).map((one) => examineProvider(installation, one)))
        : undefined,
    setAside: await count(installation, '/v1/set-aside?status=waiting&limit=100'),
    guardTrips: await count(installation, '/v1/guard-trips?status=paused'),
    canary: await canaryOf(installation),
    streams: await streamsOf(installation),
    sources: await sourcesOf(installation),
  };
}

interface Provider {
  id: string;
  name: string;
  kind: string;
  mode?: string;
  allow_impersonation: boolean;
  api_key_set: boolean;
  webhook_enabled: boolean;
  published: boolean;
  jwks_uri: string | null;
  warnings: { code: string; message: string }[];
}

const attempt = (installation: Installation, service: ServiceName, path: string) =>
  ask(installation, service, 'GET', path).catch((error: unknown) => {
    if (error instanceof Ended) return undefined;
    throw error;
  });

async function count(installation: Installation, path: string): Promise<number | undefined> {
  const answer = await attempt(installation, 'grants', path);
  if (answer?.status !== 200) return undefined;
  return (answer.body.data as unknown[]).length;
}

/** Undefined: it could not be asked, or may not be. */
export async function canaryOf(installation: Installation): Promise<CanaryFacts | undefined> {
  const answer = installation.urls.grants && (await attempt(installation, 'grants', '/v1/canary'));
  return answer && answer.status === 200 ? (answer.body as CanaryFacts) : undefined;
}

/** Undefined: it could not be asked, or may not be. */
export async function streamsOf(installation: Installation): Promise<StreamFacts[] | undefined> {
  const answer = installation.urls.signals && (await attempt(installation, 'signals', '/v1/streams'));
  return answer && answer.status === 200 ? (answer.body.data as StreamFacts[]) : undefined;
}

/** Undefined: it could not be asked, or may not be. */
export async function sourcesOf(installation: Installation): Promise<SourceFacts[] | undefined> {
  const answer = installation.urls.signals && (await attempt(installation, 'signals', '/v1/sources'));
  return answer && answer.status === 200 ? (answer.body.data as SourceFacts[]) : undefined;
}

/** Providers whose tokens a verifier cannot check; of `/health/ready`. */
export const keysMissingOf = (body: { keys_missing?: string[] } | undefined): string[] => body?.keys_missing ?? [];

const CERTIFICATE = /^rescind_certificate_end_timestamp_seconds\{[^}]*certificate="([^"]+)"[^}]*\} (\S+)$/gm;

/** Name → when it ends, ms; empty where the service needs none, or says nothing. */
async function certificatesOf(url: string): Promise<Record<string, number>> {
  const metrics = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    .then((answer) => (answer.ok ? answer.text() : ''))
    .catch(() => '');
  return Object.fromEntries(
    [...metrics.matchAll(CERTIFICATE)].map(([, name, seconds]) => [name!, Number(seconds) * 1_000]),
  );
}

async function examineService(installation: Installation, name: ServiceName): Promise<ServiceFacts> {
  const url = installation.urls[name];
  if (url === undefined) return { name, url };
  try {
    const before = Date.now();
    const { status, headers, body } = await ask(installation, name, 'GET', '/health/ready');
    // The header has whole seconds; the middle of one is half a second off at most.
    const theirs = Date.parse(headers.get('date') ?? '') + 500;
    const ahead = theirs - (before + Date.now()) / 2;
    return {
      name,
      url,
      ready: status === 200,
      missing: body?.missing ?? {},
      keysMissing: keysMissingOf(body),
      topicProblems: (body?.topic_problems ?? []) as string[],
      certificates: await certificatesOf(url),
      ...(body && 'view_age_ms' in body ? { viewAgeMs: body.view_age_ms as number | null } : {}),
      ...(Number.isFinite(ahead) ? { clockAheadMs: ahead } : {}),
    };
  } catch (error) {
    return { name, url, unreachable: (error as Error).message };
  }
}

async function examineProvider(installation: Installation, provider: Provider): Promise<ProviderFacts> {
  const webhook = provider.webhook_enabled
    ? await attempt(installation, 'portal', `/v1/identity-providers/${encodeURIComponent(provider.id)}/webhook`)
    : undefined;
  return {
    id: provider.id,
    name: provider.name,
    kind: provider.kind,
    ...(provider.mode === undefined ? {} : { mode: provider.mode }),
    allowImpersonation: provider.allow_impersonation,
    apiKeySet: provider.api_key_set,
    published: provider.published,
    warnings: provider.warnings,
    keys: await keysAt(provider.jwks_uri),
    webhook:
      webhook?.status === 200
        ? {
            url: webhook.body.url as string,
            reached: await reach(webhook.body.url as string),
            activityKnown: webhook.body.activity_known as boolean,
            lastDeliveryAt: webhook.body.last_delivery_at as string | null,
            lastRefused: webhook.body.last_refused as { at: string; code: string } | null,
            secrets: (webhook.body.secrets as { id: string; origin: string; last_used_at: string | null }[]).map(
              ({ id, origin, last_used_at: lastUsedAt }) => ({ id, origin, lastUsedAt }),
            ),
          }
        : undefined,
  };
}

async function keysAt(jwksUri: string | null): Promise<number | string | undefined> {
  if (jwksUri === null) return undefined;
  try {
    const answer = await fetch(jwksUri, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'error' });
    if (!answer.ok) return `${jwksUri} answers ${answer.status}`;
    const { keys } = (await answer.json()) as { keys?: unknown };
    return Array.isArray(keys) ? keys.length : `${jwksUri} is no key set`;
  } catch (error) {
    return `${jwksUri}: ${reasonOf(error)}`;
  }
}

/** What the endpoint says to somebody who does not sign. */
async function reach(url: string): Promise<string> {
  try {
    const answer = await fetch(url, { method: 'POST', signal: AbortSignal.timeout(TIMEOUT_MS), redirect: 'error' });
    const { code } = (await answer.json().catch(() => ({}))) as { code?: string };
    return `${answer.status} ${code ?? 'and not in our words'}`;
  } catch (error) {
    return reasonOf(error);
  }
}

function reasonOf(error: unknown): string {
  const { cause, message } = error as Error & { cause?: { code?: string } };
  return cause?.code ?? message;
}
