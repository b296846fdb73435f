import { createHmac, timingSafeEqual } from 'node:crypto';
import { Rejected } from '#contracts/rejected.js';

/** WorkOS's SDKs allow three minutes; we ask it of both sides, so that a signature from the future does not pass either. */
export const SIGNATURE_TOLERANCE_MS = 180_000;

/** A secret of one webhook endpoint, used as it is written, prefix and all. */
export interface SigningSecret {
  id: string;
  secret: string;
}

/**
 * Finds the secret whose holder signed exactly these bytes within the tolerance of `now`. Throws `Rejected` with
 * `signature_missing`, `signature_malformed`, `signature_mismatch` or `signature_stale`.
 *
 * WorkOS, "Validate the webhook requests": `WorkOS-Signature: t=<ms since the epoch>, v1=<hex HMAC-SHA256 of t.body>`.
 * The keys may come in any order, spaces do not matter, others are ignored, a repeated `t` is refused and any of several
 * `v1` may match. That the signature is genuine is found before its age, so that only its holder learns that it is stale.
 */
export function verifySignature(
  body: Buffer,
  header: string | undefined,
  secrets: readonly SigningSecret[],
  now: Date,
  toleranceMs = SIGNATURE_TOLERANCE_MS,
): SigningSecret {
  const { timestamp, digests } = parseHeader(header);

  let signer: SigningSecret | undefined;
  for (const candidate of secrets) {
    const genuine = Buffer.from(sign(timestamp, body, candidate.secret), 'latin1');
    for (const digest of digests) if (timingSafeEqual(digest, genuine)) signer ??= candidate;
  }
  if (signer === undefined) throw new Rejected('signature_mismatch');

  if (Math.abs(now.getTime() - Number(timestamp)) > toleranceMs) throw new Rejected('signature_stale');
  return signer;
}

/**
 * The digest under which WorkOS sends the body: 64 lower-case hex digits. They are compared as they are written, since Node
 * hands over a text half a microsecond sooner than bytes.
 */
export function sign(timestamp: string, body: Buffer, secret: string): string {
  return createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest('hex');
}

const MAX_HEADER_LENGTH = 1_024;

/** The header as WorkOS writes it, which is nearly every one: read at once, in a third of the time. */
const USUAL_HEADER = /^t=(\d{13}), ?v1=([0-9a-f]{64})$/;

function parseHeader(header = ''): { timestamp: string; digests: Buffer[] } {
  const usual = USUAL_HEADER.exec(header);
  if (usual) return { timestamp: usual[1]!, digests: [Buffer.from(usual[2]!, 'latin1')] };
  if (header.trim() === '') throw new Rejected('signature_missing');
  if (header.length > MAX_HEADER_LENGTH) throw new Rejected('signature_malformed');
  let timestamp: string | undefined;
  const digests: Buffer[] = [];
  for (const part of header.split(',')) {
    const [key, value] = splitOnce(part.trim());
    if (key === 't') {
      if (timestamp !== undefined || !/^\d{13}$/.test(value)) throw new Rejected('signature_malformed');
      timestamp = value;
    } else if (key === 'v1') {
      if (!/^[0-9a-f]{64}$/.test(value)) throw new Rejected('signature_malformed');
      digests.push(Buffer.from(value, 'latin1')); // 64 bytes by the pattern, as timingSafeEqual requires
    }
  }
  if (timestamp === undefined || digests.length === 0) throw new Rejected('signature_malformed');
  return { timestamp, digests };
}

function splitOnce(part: string): [string, string] {
  const equals = part.indexOf('=');
  return equals < 0 ? [part, ''] : [part.slice(0, equals).trim(), part.slice(equals + 1).trim()];
}
