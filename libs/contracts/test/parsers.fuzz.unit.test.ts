import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { decodeIdentityProvider } from '#contracts/identity-provider.js';
import { Rejected } from '#contracts/rejected.js';
import { decodeStateRecord, HEARTBEAT_TYPE, SCOPE_STATE_TYPE } from '#contracts/revocation.js';
import { decodeWorkOSRecord, encodeWorkOSRecord, readWorkOSEnvelope } from '#contracts/workos-event.js';
import { fuzz, FUZZ_MS, mutations } from '#testing/fuzz.js';

const bodies = (JSON.parse(readFileSync(new URL('./workos-events.json', import.meta.url), 'utf8')) as object[]).map(
  (event) => Buffer.from(JSON.stringify(event)),
);
const records = bodies.map((body) =>
  encodeWorkOSRecord(body, readWorkOSEnvelope(body), { id: 'idp_1', mode: 'enforced' }, new Date(0)),
);
const record = (type: string, data: object): Buffer =>
  Buffer.from(
    JSON.stringify({ specversion: '1.0', id: '1', source: '/grants', type, datacontenttype: 'application/json', data }),
  );
const states = [
  record(HEARTBEAT_TYPE, { at: '2026-01-01T00:00:00.000Z', applied: { 0: '12' } }),
  record(SCOPE_STATE_TYPE, {
    scope: 'p/user:u',
    provider_id: 'p',
    closed_at: 'infinity',
    opened_at: null,
    tokens_before: null,
    reason: 'user_deprovisioned',
    source_event_id: 'event_1',
    occurred_at: '2026-01-01T00:00:00.000Z',
  }),
];

/** Either an answer or `Rejected`: nothing else may come out, whatever comes in. */
function onlyRejects(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
  }
}

const inputs = (samples: readonly Buffer[]): fc.Arbitrary<Buffer> =>
  fc.oneof(
    { weight: 8, arbitrary: mutations(samples) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
    { weight: 1, arbitrary: fc.json().map((text) => Buffer.from(text)) },
  );

test.each([
  ['a webhook body', readWorkOSEnvelope, bodies],
  ['a record of workos.events', decodeWorkOSRecord, records],
  ['a record of access.revocation-state', decodeStateRecord, states],
  ['a record of identity.providers', decodeIdentityProvider, states],
] as const)(
  '%s is read or rejected, whatever its bytes are',
  (_, parse, samples) => fuzz(fc.property(inputs(samples), (bytes) => onlyRejects(() => parse(bytes)))),
  FUZZ_MS + 60_000,
);

test(
  'what the ingress accepts is a record that can be read back, or is set aside as an event, never as a record',
  () =>
    fuzz(
      fc.property(inputs(bodies), (body) => {
        let envelope;
        try {
          envelope = readWorkOSEnvelope(body);
        } catch {
          return;
        }
        try {
          const { event } = decodeWorkOSRecord(
            encodeWorkOSRecord(body, envelope, { id: 'idp_1', mode: 'enforced' }, new Date(0)),
          );
          expect(event.id).toBe(envelope.id);
        } catch (error) {
          expect(error).toBeInstanceOf(Rejected);
          expect((error as Rejected).code).toBe('event_malformed');
        }
      }),
    ),
  FUZZ_MS + 60_000,
);
