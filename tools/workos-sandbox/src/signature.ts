import { createHmac } from 'node:crypto';

/** The value of `WorkOS-Signature` for these bytes: HMAC-SHA256 over `<t>.<body>`, `t` in ms, the secret taken verbatim. */
export function signatureHeader(timestampMs: number, body: string | Buffer, secret: string): string {
  const digest = createHmac('sha256', secret).update(`${timestampMs}.`).update(body).digest('hex');
  return `t=${timestampMs}, v1=${digest}`;
}
