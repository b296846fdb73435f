import { z } from 'zod';
import { checked } from '#contracts/checked.js';
import type { CheckedSet } from '../domain/received.js';

/** The registry of RFC 8935, section 2.4; `invalid_state` is of SSF 1.0, section 8.1.4.1. */
export type PushError =
  'invalid_request' | 'invalid_key' | 'invalid_issuer' | 'invalid_audience' | 'invalid_state' | 'authentication_failed';

/** A SET that is not taken, and why. */
export class SetRefused extends Error {
  override readonly name = 'SetRefused';
  constructor(
    readonly err: PushError,
    description: string,
  ) {
    super(description);
  }
}

/** How far ahead another's clock may be. */
const TOLERANCE_SECONDS = 300;

const setClaims = z.object({
  jti: z.string().min(1).max(255),
  iat: z.number().positive(),
  toe: z.number().positive().optional(),
  txn: z.string().max(255).optional().catch(undefined),
  sub_id: z.unknown().optional(),
  events: z.record(z.string(), z.unknown()).refine((events) => Object.keys(events).length === 1, 'not one event'),
});

/** What SSF 1.0 (section 4) and RFC 8417 ask of the claims of a SET whose signature is good. Throws {@link SetRefused}. */
export function readSetClaims(payload: object, now: Date): CheckedSet {
  if ('exp' in payload || 'sub' in payload) {
    throw new SetRefused('invalid_request', 'A SET of Shared Signals has neither exp nor sub.');
  }
  const parsed = checked(setClaims, payload);
  if (!parsed.success) {
    const claims = [...new Set(parsed.error.issues.map(({ path }) => path[0] ?? 'the whole'))].join(', ');
    throw new SetRefused('invalid_request', `These claims are missing or not as they should be: ${claims}.`);
  }
  if (parsed.data.iat > now.getTime() / 1000 + TOLERANCE_SECONDS) {
    throw new SetRefused('invalid_request', 'iat is still to come.');
  }
  return parsed.data;
}
