import { createHmac } from 'node:crypto';
import type { JWTPayload } from 'jose';
import { BACKCHANNEL_LOGOUT } from '../domain/event-types.js';
import type { Due, SendingStream } from './queue.sql.js';
import type { Signing } from './signing.js';

/** What is posted to a receiver. */
export interface OutgoingRequest {
  body: string;
  headers: Record<string, string>;
}

/** RFC 8417, section 2.3, and RFC 8935, section 2.1. */
const SET_TYP = 'secevent+jwt';
const LOGOUT_TYP = 'logout+jwt';
/** Back-Channel Logout 1.0, section 2.4: short, and it is signed anew with each try. */
const LOGOUT_TOKEN_SECONDS = 120;

const seconds = (at: Date | string): number => Math.floor(new Date(at).getTime() / 1000);

/** A SET (RFC 8417) as SSF 1.0, section 4, profiles it; the same each time that it is sent. */
export function setClaims(
  due: Pick<Due, 'jti' | 'signal' | 'created_at'>,
  issuer: string,
  audience: string,
): JWTPayload {
  const { type, sub_id, claims, occurred_at, txn } = due.signal;
  return {
    iss: issuer,
    aud: audience,
    jti: due.jti,
    iat: seconds(due.created_at),
    toe: seconds(occurred_at),
    ...(txn === null ? {} : { txn }),
    sub_id,
    events: { [type]: claims },
  };
}

export const signSet = (signing: Signing, due: Due, issuer: string, audience: string): Promise<string> =>
  signing.sign(SET_TYP, setClaims(due, issuer, audience));

/** What one delivery is, on the wire. `secret`: unsealed. */
export async function requestOf(
  stream: Pick<SendingStream, 'kind' | 'audience'>,
  due: Due,
  secret: string | undefined,
  issuer: string,
  signing: Signing,
  now: Date,
): Promise<OutgoingRequest> {
  const authorization: Record<string, string> = secret === undefined ? {} : { authorization: secret };
  const { signal, jti } = due;
  switch (stream.kind) {
    case 'set_push':
      return {
        body: await signSet(signing, due, issuer, stream.audience),
        headers: { ...authorization, 'content-type': 'application/secevent+jwt', accept: 'application/json' },
      };
    case 'webhook': {
      const body = JSON.stringify({ type: signal.type, timestamp: signal.occurred_at, data: signal.claims });
      return { body, headers: { 'content-type': 'application/json', ...webhookHeaders(jti, body, secret!, now) } };
    }
    case 'backchannel_logout': {
      const { user_id, session_id } = signal.claims;
      const token = await signing.sign(LOGOUT_TYP, {
        iss: issuer,
        aud: stream.audience,
        jti,
        iat: seconds(now),
        exp: seconds(now) + LOGOUT_TOKEN_SECONDS,
        ...(user_id === undefined ? {} : { sub: user_id as string }),
        ...(session_id === undefined ? {} : { sid: session_id }),
        events: { [BACKCHANNEL_LOGOUT]: {} },
      });
      return {
        body: new URLSearchParams({ logout_token: token }).toString(),
        headers: { ...authorization, 'content-type': 'application/x-www-form-urlencoded' },
      };
    }
    case 'token_revocation': {
      // draft-parecki-oauth-global-token-revocation: of whom, as in RFC 9493; a membership's is that of its user.
      const { sub_id } = signal;
      const user = sub_id.format === 'complex' ? sub_id.user : sub_id;
      return {
        body: JSON.stringify({ sub_id: user }),
        headers: { ...authorization, 'content-type': 'application/json' },
      };
    }
  }
}

/** Standard Webhooks 1.0: the id is the same with each try, the time is that of the try. */
export function webhookHeaders(id: string, body: string, secret: string, now: Date): Record<string, string> {
  const timestamp = String(seconds(now));
  const key = Buffer.from(secret.slice(WEBHOOK_SECRET_PREFIX.length), 'base64');
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}

export const WEBHOOK_SECRET_PREFIX = 'whsec_';
