import { strictEqual } from 'node:assert/strict';
import { Rejected } from '#contracts/rejected.js';
import { decodeWorkOSRecord, encodeWorkOSRecord, readWorkOSEnvelope } from '#contracts/workos-event.js';
import { bytesNear, type FuzzTarget, jsonNear, mutations, unlessRefused } from '#testing/fuzz.js';
import { sign, verifySignature } from '#workos/signature.js';
import { WORKOS_EVENTS } from './samples.js';

const NOW = new Date('2026-11-24T10:00:00.000Z');
const SECRET = { id: 'current', secret: 'whsec_test' };
const PROVIDER = { id: 'idp_1', mode: 'enforced' } as const;
const BODY = Buffer.from('{"id":"event_1"}');
const at = (ms: number): string => String(NOW.getTime() + ms);
const header = (t: string): string => `t=${t}, v1=${sign(t, BODY, SECRET.secret)}`;

/** A header is genuine only if it names the time that was signed, a young one, and its digest. */
export const signatureHeader: FuzzTarget = {
  name: 'webhook signature',
  inputs: mutations([at(0), at(-170_000), at(-190_000), at(190_000)].map((t) => Buffer.from(header(t)))),
  check(input) {
    const text = input.toString('latin1');
    const signer = unlessRefused(Rejected, () => verifySignature(BODY, text, [SECRET], NOW));
    if (signer === undefined) return;
    const parts = text.split(',').map((part) => part.trim().replace(/\s*=\s*/, '='));
    const signed = [at(0), at(-170_000)].find((t) => parts.includes(`t=${t}`));
    strictEqual(signed !== undefined && parts.includes(`v1=${sign(signed, BODY, SECRET.secret)}`), true);
    strictEqual(parts.filter((part) => part.startsWith('t=')).length, 1);
  },
};

/** A signature is for just the bytes that were signed. */
export const signedBody: FuzzTarget = {
  name: 'webhook body under a signature',
  inputs: bytesNear([BODY]),
  check(input) {
    const signer = unlessRefused(Rejected, () => verifySignature(input, header(at(0)), [SECRET], NOW));
    strictEqual(signer !== undefined, input.equals(BODY));
  },
};

/** What the ingress accepts is a record that can be read back, or is set aside as an event, never as a record. */
export const webhookBody: FuzzTarget = {
  name: 'webhook body',
  inputs: jsonNear(WORKOS_EVENTS),
  check(input) {
    const envelope = unlessRefused(Rejected, () => readWorkOSEnvelope(input));
    if (envelope === undefined) return;
    strictEqual(envelope.key !== '' && envelope.id !== '', true);
    try {
      const { event } = decodeWorkOSRecord(encodeWorkOSRecord(input, envelope, PROVIDER, NOW));
      strictEqual(event.id, envelope.id);
      strictEqual(event.providerId, PROVIDER.id);
    } catch (error) {
      strictEqual(error instanceof Rejected && error.code === 'event_malformed', true, String(error));
    }
  },
};

export const webhookTargets: FuzzTarget[] = [signatureHeader, signedBody, webhookBody];
