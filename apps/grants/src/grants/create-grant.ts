import { createHash } from 'node:crypto';
import { Problem } from '#platform/problem.js';
import type { Moment } from '#contracts/moment.js';
import { judge } from '#revocation/judge.js';
import { type Holder, type Scope, scopesOf } from '#revocation/scope.js';
import { appendAudit } from '../audit/audit.sql.js';
import { clock, type Grant, insertGrant } from './grants.sql.js';
import { lockScopes } from '../scopes/scopes.sql.js';
import { rowsOf, type Tx } from '#platform/sql.js';
import { ulid } from '../ulid.js';

export interface GrantRequest extends Holder {
  resource: string;
  scopes: string[];
  expiresAt: Moment | null;
}

/**
 * Grants access, unless the rule makes it void at birth: 409 `principal_deprovisioned`. The rows of its scopes are locked
 * against change until this commits (and made, where they are missing, so that there is something to lock): whoever
 * closes one of them comes either before, and is seen here, or after, and finds the grant.
 */
export async function createGrant(tx: Tx, request: GrantRequest, actor: string): Promise<Grant> {
  const states = await lockScopes(tx, scopesOfHolder(request), 'share');
  const now = await clock(tx);
  const verdict = judge({ kind: 'grant', issuedAt: now, scopes: scopesOf(request) }, (key) => states.get(key));
  if (verdict.void) {
    throw new Problem(409, 'principal_deprovisioned', 'This access has ended; it must be opened again first.', {
      extra: { reason: verdict.reason, scope: verdict.scope, source_event_id: verdict.sourceEventId },
    });
  }
  const grant: Grant = {
    id: `grant_${ulid(now)}`,
    providerId: request.providerId,
    userId: request.userId,
    organizationId: request.organizationId,
    sessionId: request.sessionId,
    resource: request.resource,
    scopes: request.scopes,
    grantedAt: now,
    expiresAt: request.expiresAt,
    grantedBy: actor,
    mark: undefined,
    byHand: undefined,
  };
  await insertGrant(tx, grant);
  await appendAudit(tx, [
    {
      actor,
      action: 'grant.created',
      providerId: grant.providerId,
      subject: grant.id,
      reason: null,
      sourceEventId: null,
      detail: { user_id: grant.userId, resource: grant.resource, scopes: grant.scopes },
    },
  ]);
  return grant;
}

function scopesOfHolder({ providerId, userId, organizationId, sessionId }: Holder): Scope[] {
  const scopes: Scope[] = [{ kind: 'user', providerId, userId }];
  if (organizationId !== undefined) {
    scopes.push(
      { kind: 'organization', providerId, organizationId },
      { kind: 'membership', providerId, userId, organizationId },
    );
  }
  if (sessionId !== undefined) scopes.push({ kind: 'session', providerId, sessionId });
  return scopes;
}

/**
 * Does `work` once for a key of the actor's and answers the same thing ever after. Throws 422 `idempotency_key_reused`
 * for another request under the same key. A request that failed has not used its key.
 */
export async function once<Answer>(
  tx: Tx,
  { actor, key, request }: { actor: string; key: string | undefined; request: unknown },
  work: () => Promise<Answer>,
): Promise<Answer> {
  if (key === undefined) return work();
  const digest = createHash('sha256').update(JSON.stringify(request)).digest();
  // Waits for a transaction under way with the same key.
  const taken = await rowsOf(
    tx,
    `insert into idempotency_keys (actor, key, request_sha256, answer) values ($1, $2, $3, 'null')
     on conflict do nothing returning 1`,
    [actor, key, digest],
  );
  if (taken.length > 0) {
    const answer = await work();
    await tx.query('update idempotency_keys set answer = $3 where actor = $1 and key = $2', [
      actor,
      key,
      JSON.stringify(answer),
    ]);
    return answer;
  }
  const [known] = await rowsOf<{ request_sha256: Buffer; answer: Answer }>(
    tx,
    'select request_sha256, answer from idempotency_keys where actor = $1 and key = $2',
    [actor, key],
  );
  if (!known) throw new Problem(409, 'idempotency_key_in_use', 'The first request has just failed; send it again.');
  if (!known.request_sha256.equals(digest)) {
    throw new Problem(422, 'idempotency_key_reused', 'This Idempotency-Key was used for another request.');
  }
  return known.answer;
}

/** Keys are kept for a day. */
export async function forgetIdempotencyKeys(tx: Tx): Promise<void> {
  await tx.query(`delete from idempotency_keys where created_at < now() - interval '1 day'`);
}
