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
  if (header === undefined || header.trim() === '') throw new Rejected('signature_missing');
  const { timestamp, digests } = parseHeader(header);

  let signer: SigningSecret | undefined;
  for (const candidate of secrets) {
    const genuine = sign(timestamp, body, candidate.secret);
    for (const digest of digests) if (timingSafeEqual(digest, genuine)) signer ??= candidate;
  }
  if (signer === undefined) throw new Rejected('signature_mismatch');

  if (Math.abs(now.getTime() - Number(timestamp)) > toleranceMs) throw new Rejected('signature_stale');
  return signer;
}

/** The digest, 32 bytes, under which WorkOS sends the body. */
export function sign(timestamp: string, body: Buffer, secret: string): Buffer {
  return createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest();
}

const MAX_HEADER_LENGTH = 1_024;

function parseHeader(header: string): { timestamp: string; digests: Buffer[] } {
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
      digests.push(Buffer.from(value, 'hex')); // 32 bytes by the pattern, as timingSafeEqual requires
    }
  }
  if (timestamp === undefined || digests.length === 0) throw new Rejected('signature_malformed');
  return { timestamp, digests };
}

function splitOnce(part: string): [string, string] {
  const equals = part.indexOf('=');
  return equals < 0 ? [part, ''] : [part.slice(0, equals).trim(), part.slice(equals + 1).trim()];
}
