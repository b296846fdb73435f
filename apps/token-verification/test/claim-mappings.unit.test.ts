import { decodeCloudEvent } from '#contracts/cloud-event.js';
import type { OutgoingRecord } from '#kafka/record.js';
import { SignInReporter } from '../src/sign-in-reporter.js';
import { claimsOf, makeIssuer, providerOf, token } from './issuer.js';
import { outcomeOf, worldOf } from './verifier-of.js';

const NOW = Date.parse('2026-11-24T10:00:00.500Z');
const ours = makeIssuer('client_01OURS', 'key_1');
const worldWith = (over: object) =>
  worldOf(NOW, [providerOf(ours, over)], { 'https://keys.test/client_01OURS': [ours.jwk] });
const signed = (over: Record<string, unknown> = {}): string => token(ours, claimsOf(ours, NOW, over));

test('until the claim mappings are confirmed nobody is let in, and it is said why', async () => {
  const before = worldWith({ claim_mappings_confirmed: false });
  expect(await outcomeOf(before, signed())).toBe('claim_mapping_unconfirmed');
  // Whoever cannot sign does not learn of it.
  expect(await outcomeOf(before, `${signed().slice(0, -6)}AAAAAA`)).toBe('signature_invalid');
  for (const claim_mappings_confirmed of [true, undefined]) {
    expect(await outcomeOf(worldWith({ claim_mappings_confirmed }), signed())).toBe('active');
  }
});

test('a sign-in tells the names of the claims, so that a change can be previewed, and nothing of what they say', async () => {
  const world = worldWith({});
  const verdict = await world.verifier.verify(
    signed({ o: { id: 'seeded_1' }, 'https://example.com/tenant': 'seeded_2' }),
  );
  if (verdict.kind !== 'active') throw new Error('not active');
  const sent: OutgoingRecord[] = [];
  new SignInReporter({ publish: async (_, record) => void sent.push(record) }).seen(verdict.verified);
  expect(decodeCloudEvent(sent[0]!.value).data).toMatchObject({
    claims: expect.arrayContaining(['sub', 'org_id', 'o', 'o.id', 'https://example.com/tenant']),
  });
  expect(sent[0]!.value!.toString()).not.toContain('seeded');
});
