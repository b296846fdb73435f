import { z } from 'zod';
import { checked } from './checked.js';
import { decodeCloudEvent, problemFields } from './cloud-event.js';
import { Rejected } from './rejected.js';

export const WEBHOOK_ACTIVITY_TYPE = 'io.rescind.webhook-activity.v1';

/** As `Date.toISOString` writes it, so that the later of two is the greater text. */
const moment = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

/** `data` of a record on `identity.webhook-activity`: what has happened at one provider's webhook endpoint. */
export const webhookActivityData = z.object({
  provider_id: z.string().min(1),
  /** The newest delivery that was stored. */
  last_delivery_at: moment.nullable(),
  /** The newest one that was not, by the code it was answered with, and where it came from. */
  last_refused: z.object({ at: moment, code: z.string(), source: z.string() }).nullable(),
  /** Secret id → when it last signed a delivery. */
  secrets: z.record(z.string(), moment),
});
export type WebhookActivity = z.infer<typeof webhookActivityData>;

/**
 * What two replicas know together: the newest of everything. Commutative, associative and idempotent, as scope states are,
 * so that the replicas of webhook-ingress can share one record without asking each other.
 */
export function mergeActivity(a: WebhookActivity, b: WebhookActivity): WebhookActivity {
  const secrets = { ...a.secrets };
  for (const [id, at] of Object.entries(b.secrets)) secrets[id] = later(secrets[id] ?? null, at)!;
  return {
    provider_id: a.provider_id,
    last_delivery_at: later(a.last_delivery_at, b.last_delivery_at),
    last_refused: rank(a.last_refused) >= rank(b.last_refused) ? a.last_refused : b.last_refused,
    secrets,
  };
}

const later = (a: string | null, b: string | null): string | null => (b === null || (a !== null && a >= b) ? a : b);

/** Of two refusals in one millisecond every replica takes the same. */
const rank = (refused: WebhookActivity['last_refused']): string =>
  refused === null ? '' : `${refused.at} ${refused.code} ${refused.source}`;

/** Reads a record of `identity.webhook-activity`; throws `Rejected('record_malformed')`. */
export function decodeWebhookActivity(value: Buffer): WebhookActivity {
  const record = decodeCloudEvent(value);
  if (record.type !== WEBHOOK_ACTIVITY_TYPE) throw new Rejected('record_malformed', 'type');
  const parsed = checked(webhookActivityData, record.data);
  if (!parsed.success) throw new Rejected('record_malformed', `data: ${problemFields(parsed.error)}`);
  return parsed.data;
}
