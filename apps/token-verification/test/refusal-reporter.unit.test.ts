import type { OutgoingRecord } from '#kafka/record.js';
import { RateLimit } from '#platform/rate-limit.js';
import { RefusalReporter } from '../src/refusal-reporter.js';
import type { Verified } from '../src/verified.js';

const verified = (userId: string, sessionId = 'session_1'): Verified =>
  ({
    provider: { id: 'idp_1' },
    subject: { userId, sessionId, issuedAt: 0 },
    claims: { email: 'a@b.c' },
  }) as unknown as Verified;

function reporter(limit?: RateLimit) {
  const told: { user_id: string; reason: string }[] = [];
  const publish = async (_: string, { value }: OutgoingRecord): Promise<void> =>
    void told.push((JSON.parse(String(value)) as { data: { user_id: string; reason: string } }).data);
  return { told, refusals: new RefusalReporter({ publish }, limit) };
}

test('each session and reason is told once, by ids alone', () => {
  const { told, refusals } = reporter();
  const token = verified('user_1');
  refusals.refused(token, 'user_deprovisioned');
  refusals.refused(token, 'user_deprovisioned');
  refusals.refused(verified('user_1'), 'user_deprovisioned'); // another token of the same session
  refusals.refused(token, 'session_revoked');
  refusals.refused(verified('user_1', 'session_2'), 'user_deprovisioned');
  expect(told.map(({ reason }) => reason)).toEqual(['user_deprovisioned', 'session_revoked', 'user_deprovisioned']);
  expect(told[0]).toEqual({
    provider_id: 'idp_1',
    user_id: 'user_1',
    session_id: 'session_1',
    reason: 'user_deprovisioned',
    at: expect.any(String),
  });
});

test('many at once do not flood Kafka', () => {
  const { told, refusals } = reporter(new RateLimit({ perSecond: 5, burst: 5, now: () => 0 }));
  for (let i = 0; i < 1_000; i++) refusals.refused(verified(`user_${i}`), 'organization_deleted');
  expect(told.length).toBe(5);
});

test('what Kafka does not take holds nobody up', () => {
  const refusals = new RefusalReporter({ publish: () => Promise.reject(new Error('away')) });
  expect(() => refusals.refused(verified('user_1'), 'user_deprovisioned')).not.toThrow();
});
