import { CLOUD_EVENT_CONTENT_TYPE, decodeCloudEvent } from '#contracts/cloud-event.js';
import { TOPICS } from '#contracts/topics.js';
import { withoutShadow } from '#contracts/workos-event.js';
import type { Logger } from '#platform/logging.js';
import type { Database } from '#platform/database.js';
import type { ProviderRegistry } from '#providers/registry.js';
import { keyOf } from '#revocation/scope.js';
import { NEVER } from '#contracts/moment.js';
import { type AuditEntry, appendAudit } from '../audit/audit.sql.js';
import { BackgroundLoop } from '../background-loop.js';
import type { SourcedUpdate } from '../domain/fold.js';
import { enqueue } from '../outbox/outbox.sql.js';
import { insertShadowRevocations, takeShadowEvents } from './shadow.sql.js';
import type { Tx } from '#platform/sql.js';

const POLL_MS = 2_000;
const CHUNK = 500;

/** Keeps what events in shadow mode would have ended, for people to look at; nothing is closed. */
export async function recordShadow(tx: Tx, wouldBe: readonly SourcedUpdate[]): Promise<void> {
  const ending = wouldBe.filter(({ reason }) => reason !== null);
  await insertShadowRevocations(tx, ending);
  await appendAudit(tx, ending.map(auditOf));
}

function auditOf({ scope, state, reason, source }: SourcedUpdate): AuditEntry {
  return {
    actor: 'workos',
    action: state.closedAt === NEVER ? 'shadow.would_void_tokens' : 'shadow.would_close',
    providerId: scope.providerId,
    subject: keyOf(scope),
    reason,
    sourceEventId: source.eventId,
  };
}

/**
 * Sends the events that came in shadow mode again once their provider is enforced: through the same topic as if they had
 * come now, so that everybody who reads it applies them. A replica of webhook-ingress that learns of the switch later
 * than others may still write some in shadow; they are found here as well.
 */
export class ShadowRelease extends BackgroundLoop {
  constructor(database: Database, providers: Pick<ProviderRegistry, 'all'>, logger: Logger) {
    super('send events of shadow mode again', POLL_MS, logger, async () => {
      // Only what is known to be enforced: no word of a provider is not the same.
      const enforced = providers.all().filter(({ mode }) => mode === 'enforced');
      const ids = enforced.map(({ id }) => id);
      return ids.length > 0 && (await database.transaction((tx) => sendAgain(tx, ids, CHUNK))) === CHUNK;
    });
  }
}

/** Answers how many it sent. */
export async function sendAgain(tx: Tx, providerIds: readonly string[], chunk: number): Promise<number> {
  const events = await takeShadowEvents(tx, providerIds, chunk);
  if (events.length === 0) return 0;
  await enqueue(
    tx,
    events.map(({ value }) => ({
      topic: TOPICS.workosEvents,
      key: Buffer.from(decodeCloudEvent(value).subject ?? ''),
      value: withoutShadow(value),
      headers: { 'content-type': Buffer.from(CLOUD_EVENT_CONTENT_TYPE) },
    })),
  );
  const { provider_id: providerId } = events[0]!;
  const detail = { events: events.length, first_seq: events[0]!.seq, last_seq: events.at(-1)!.seq };
  await appendAudit(tx, [
    {
      actor: 'rescind',
      action: 'shadow.sent_again',
      providerId,
      subject: providerId,
      reason: 'the provider is enforced now',
      sourceEventId: null,
      detail,
    },
  ]);
  return events.length;
}
