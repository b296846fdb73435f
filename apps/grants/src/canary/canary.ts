import { createHash, createHmac } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeCloudEvent, identityProviderSource } from '#contracts/cloud-event.js';
import { CANARY_PROVIDER_ID, IDENTITY_PROVIDER_TYPE, type IdentityProviderData } from '#contracts/identity-provider.js';
import { momentFromWire } from '#contracts/moment.js';
import { TOPICS } from '#contracts/topics.js';
import type { BatchPublisher } from '#kafka/publisher.js';
import type { Database } from '#platform/database.js';
import type { Logger } from '#platform/logging.js';
import type { ProviderRegistry } from '#providers/registry.js';
import { type EncryptionKeys, seal, webhookSecretOwner } from '#providers/sealing.js';
import { membershipKey } from '#revocation/scope.js';
import { sign } from '#workos/signature.js';
import type { CanaryMetrics } from './metrics.js';
import { type CanaryRun, forgetRuns, insertRun } from './canary.sql.js';

export interface CanarySettings {
  everyMs: number;
  webhookIngressUrl: string;
  tokenVerificationUrl: string;
  tokenVerificationApiKey: string;
}

export interface CanaryParts {
  database: Database;
  providers: Pick<ProviderRegistry, 'get'>;
  publisher: Pick<BatchPublisher, 'publish'>;
  keys: EncryptionKeys;
  settings: CanarySettings;
  metrics: CanaryMetrics;
  logger: Logger;
}

/** Nobody: a person and an organization that no provider of anybody has. */
export const CANARY_USER = 'canary';
const CANARY_ORGANIZATION = 'canary';
const SECRET_ID = 'canary';
/** After so long it is given up, and counts as failed. */
const GIVE_UP_MS = 30_000;
const ASK_EVERY_MS = 5;
const FORGET_EVERY = 60;

/**
 * A synthetic revocation through the whole path, measured from the webhook to the moment from which token-verification
 * refuses: a membership of nobody ends, again and again, at a provider of its own. The same scope each time, so nothing
 * grows but the receipts.
 */
export class Canary {
  private readonly endpointToken: string;
  private readonly secret: string;

  constructor(private readonly parts: CanaryParts) {
    // From the encryption key, so that every replica knows them and they need not be kept; both prove nothing else.
    const derive = (what: string): string =>
      createHmac('sha256', parts.keys[0]!.key).update(`rescind canary ${what}`).digest('hex');
    this.endpointToken = derive('endpoint');
    this.secret = `whsec_${derive('secret')}`;
  }

  async lead(signal: AbortSignal): Promise<void> {
    const { database, settings, metrics, logger } = this.parts;
    for (let n = 0; !signal.aborted; n++) {
      const run = await this.run(signal);
      if (signal.aborted) return;
      metrics.ran(run);
      if (run.problem !== null) logger.error({ problem: run.problem }, 'canary: not refused');
      await database
        .transaction(async (tx) => {
          await insertRun(tx, run);
          if (n % FORGET_EVERY === 0) await forgetRuns(tx);
        })
        .catch((error: unknown) => logger.warn({ err: error }, 'canary: its run is not kept'));
      await delay(settings.everyMs * (0.9 + 0.2 * Math.random()), undefined, { signal }).catch(() => undefined);
    }
  }

  /** Never rejects: what went wrong is the result. */
  async run(signal: AbortSignal): Promise<CanaryRun> {
    const startedAt = new Date();
    const since = performance.now();
    const end = AbortSignal.any([signal, AbortSignal.timeout(GIVE_UP_MS)]);
    let acceptedMs: number | null = null;
    try {
      await this.ensureProvider();
      await this.deliver(startedAt, end);
      acceptedMs = performance.now() - since;
      await this.untilRefused(startedAt, end);
      return { startedAt, acceptedMs, refusedMs: performance.now() - since, problem: null };
    } catch (error) {
      const gaveUp = end.aborted ? `not refused within ${GIVE_UP_MS / 1000} s` : undefined;
      return { startedAt, acceptedMs, refusedMs: null, problem: gaveUp ?? (error as Error).message };
    }
  }

  /** Its provider stands on the same topic as all others, but no person has made it, and the portal does not know it. */
  private async ensureProvider(): Promise<void> {
    const { providers, publisher, keys } = this.parts;
    const endpointSha256 = createHash('sha256').update(this.endpointToken).digest('hex');
    if (providers.get(CANARY_PROVIDER_ID)?.webhook?.endpoint_token_sha256 === endpointSha256) return;
    const now = new Date().toISOString();
    const data: IdentityProviderData = {
      id: CANARY_PROVIDER_ID,
      name: 'Canary',
      kind: 'oidc',
      // No token can have it: no key is known for it.
      issuers: ['urn:rescind:canary'],
      jwks_uri: null,
      client_id: null,
      audience: [],
      audience_policy: 'required',
      algorithms: ['RS256'],
      claim_mappings: { user_id: 'sub', organization_id: 'org_id', session_id: 'sid' },
      claim_mappings_confirmed: true,
      required_claims: [],
      clock_tolerance_seconds: 0,
      allow_impersonation: false,
      suspension_rule: null,
      mode: 'enforced',
      guard: null,
      api_base_url: null,
      api_key: null,
      webhook: {
        endpoint_token_sha256: endpointSha256,
        secrets: [
          {
            id: SECRET_ID,
            sealed: seal(this.secret, webhookSecretOwner(CANARY_PROVIDER_ID, SECRET_ID), keys),
            origin: 'generated',
            created_at: now,
          },
        ],
      },
      version: Date.now(),
      updated_at: now,
    };
    const event = encodeCloudEvent({
      id: `${CANARY_PROVIDER_ID}/${data.version}`,
      source: identityProviderSource(CANARY_PROVIDER_ID),
      type: IDENTITY_PROVIDER_TYPE,
      subject: CANARY_PROVIDER_ID,
      time: now,
      providerid: CANARY_PROVIDER_ID,
      data,
    });
    await publisher.publish(TOPICS.identityProviders, { key: CANARY_PROVIDER_ID, ...event });
  }

  /** As WorkOS does. An endpoint that is not known yet is one that was made a moment ago. */
  private async deliver(at: Date, signal: AbortSignal): Promise<void> {
    const body = Buffer.from(
      JSON.stringify({
        id: `event_canary_${at.getTime()}`,
        object: 'event',
        event: 'organization_membership.deleted',
        data: { user_id: CANARY_USER, organization_id: CANARY_ORGANIZATION },
        created_at: at.toISOString(),
      }),
    );
    for (;;) {
      const t = String(Date.now());
      const answer = await fetch(`${this.parts.settings.webhookIngressUrl}/webhooks/workos/${this.endpointToken}`, {
        method: 'POST',
        signal,
        headers: { 'content-type': 'application/json', 'workos-signature': `t=${t}, v1=${sign(t, body, this.secret)}` },
        body,
      });
      await answer.body?.cancel();
      if (answer.status === 200) return;
      if (answer.status !== 404 && answer.status !== 503) throw new Error(`webhook-ingress answered ${answer.status}`);
      await delay(250, undefined, { signal });
    }
  }

  private async untilRefused(at: Date, signal: AbortSignal): Promise<void> {
    const { tokenVerificationUrl, tokenVerificationApiKey } = this.parts.settings;
    const scope = membershipKey(CANARY_PROVIDER_ID, CANARY_USER, CANARY_ORGANIZATION);
    const url = `${tokenVerificationUrl}/v1/scopes?scope=${encodeURIComponent(scope)}`;
    for (;;) {
      const answer = await fetch(url, { signal, headers: { authorization: `Bearer ${tokenVerificationApiKey}` } });
      if (answer.status !== 200 && answer.status !== 503) {
        await answer.body?.cancel();
        throw new Error(`token-verification answered ${answer.status}`);
      }
      const { closed_at } = (await answer.json()) as { closed_at?: string | null };
      if (momentFromWire(closed_at ?? null) >= at.getTime()) return;
      await delay(ASK_EVERY_MS, undefined, { signal });
    }
  }
}
