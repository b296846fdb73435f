import { WorkOSApiError } from '#workos/api-client.js';
import { restAfterFailureMs } from '../../src/tail/tail.js';

test('it waits for as long as WorkOS says, and not a moment less', () => {
  expect(restAfterFailureMs(new WorkOSApiError(429, '/events', 300_000), 1)).toBe(300_000);
  expect(restAfterFailureMs(new WorkOSApiError(503, '/events', 7_000), 9)).toBe(7_000);
});

test('otherwise ever longer, and at most a minute; longer where the key is wrong', () => {
  expect(restAfterFailureMs(new WorkOSApiError(502, '/events'), 1)).toBeLessThanOrEqual(100);
  expect(restAfterFailureMs(new Error('Kafka is away'), 30)).toBeGreaterThanOrEqual(2_500);
  expect(restAfterFailureMs(new WorkOSApiError(401, '/events'), 30)).toBeGreaterThanOrEqual(25_000);
  expect(restAfterFailureMs(new WorkOSApiError(401, '/events'), 30)).toBeLessThanOrEqual(60_000);
});
