import type { Judged } from './token-service.js';
import type { Verified } from './verified.js';

/**
 * The answer of `POST /v1/tokens/verify` as JSON: `active` and whose token it is, or the reason of the refusal.
 * @param asOf as RFC 3339 has it, or null
 */
export function verifyAnswer(judged: Judged, asOf: string | null): string {
  const as_of = asOf === null ? 'null' : `"${asOf}"`;
  if (judged.kind === 'refused') return `{"active":false,"reason":${JSON.stringify(judged.reason)},"as_of":${as_of}}`;
  return `${(judged.verified.answer ??= lastingAnswer(judged.verified))},"as_of":${as_of}}`;
}

/** What stays the same for one token, written once; without the end. */
function lastingAnswer({ subject, claims, provider }: Verified): string {
  const answer = {
    active: true,
    user_id: subject.userId,
    organization_id: subject.organizationId,
    session_id: subject.sessionId,
    claims,
    provider_id: provider.id,
  };
  return JSON.stringify(answer).slice(0, -1);
}

/** The answer of an introspection (RFC 7662): an inactive token is just that, and why, the client is not told (section 2.2). */
export function introspectionAnswer(judged: Judged): object {
  if (judged.kind === 'refused') return { active: false };
  const { subject, claims, provider } = judged.verified;
  return {
    ...claims,
    active: true,
    token_type: 'Bearer',
    sub: subject.userId,
    org_id: subject.organizationId,
    sid: subject.sessionId,
    provider_id: provider.id,
  };
}

const INACTIVE = '{"active":false}';

/** The same as JSON; written once for a token. */
export function introspectionJson(judged: Judged): string {
  if (judged.kind === 'refused') return INACTIVE;
  return (judged.verified.introspection ??= JSON.stringify(introspectionAnswer(judged)));
}
