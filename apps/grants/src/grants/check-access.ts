import { z } from 'zod';
import { REASON_CODES } from '#contracts/revocation.js';
import { judge } from '#revocation/judge.js';
import { type Holder, scopesOf } from '#revocation/scope.js';
import { isReasonCode } from '../domain/fold.js';
import { standingOf } from './grant-view.js';
import { clock, type GrantRow, grantOfRow } from './grants.sql.js';
import { readScopes } from '../scopes/scopes.sql.js';
import { rowsOf, type Tx } from '#platform/sql.js';

export const accessAnswer = z.object({
  allowed: z.boolean(),
  reason: z.enum([...REASON_CODES, 'no_grant', 'expired', 'grant_revoked']).optional(),
  grant_id: z.string().optional(),
});
export type AccessAnswer = z.infer<typeof accessAnswer>;

export interface AccessQuestion extends Holder {
  resource: string;
  scope: string;
}

/**
 * Whether somebody may do something now: only if whoever asks is not shut out, and an active grant says so. A grant
 * within an organization counts there alone; one without counts everywhere.
 */
export async function checkAccess(tx: Tx, question: AccessQuestion): Promise<AccessAnswer> {
  // The marks only say which ones to look at first.
  const rows = await rowsOf<GrantRow>(
    tx,
    `select * from grants
     where user_id = $1 and provider_id = $2 and resource = $3 and $4 = any(scopes)
       and ($5::text is null or organization_id is null or organization_id = $5)
       and ($6::text is null or session_id is null or session_id = $6)
     order by (revoked_at is null and hand_revoked_at is null
       and (expires_at is null or expires_at > extract(epoch from now()) * 1000)) desc, id desc
     limit 200`,
    [
      question.userId,
      question.providerId,
      question.resource,
      question.scope,
      question.organizationId ?? null,
      question.sessionId ?? null,
    ],
  );
  const grants = rows.map(grantOfRow);
  const asked = scopesOf(question);
  // Read after the grants: the states are at least as new as what they are to judge.
  const known = await readScopes(tx, [...asked, ...grants.flatMap(scopesOf)]);
  const now = await clock(tx);

  const shutOut = judge({ kind: 'grant', issuedAt: now, scopes: asked }, (key) => known.stateOf(key));
  if (shutOut.void) return refused(shutOut.reason);
  const standings = grants.map((grant) => ({ grant, ...standingOf(grant, known, now) }));
  const active = standings.find(({ status }) => status === 'active');
  if (active) return { allowed: true, grant_id: active.grant.id };
  const [newest] = standings;
  if (!newest) return refused('no_grant');
  if (newest.status === 'expired') return refused('expired', newest.grant.id);
  return refused(newest.revocation?.reason ?? 'grant_revoked', newest.grant.id);
}

/** A revocation by hand has words of its own; machines are told a code. */
function refused(reason: string, grantId?: string): AccessAnswer {
  const code = isReasonCode(reason) || reason === 'no_grant' || reason === 'expired' ? reason : 'grant_revoked';
  return {
    allowed: false,
    reason: code as NonNullable<AccessAnswer['reason']>,
    ...(grantId === undefined ? {} : { grant_id: grantId }),
  };
}
