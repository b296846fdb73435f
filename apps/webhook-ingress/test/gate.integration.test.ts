import { deliver, expectProblem, type Ingress, signatureOf, startIngress } from './ingress.js';

const KAFKA = { KAFKA_BROKERS: process.env['KAFKA_BROKERS'] };
const WORKOS = '3.217.146.166';
const forged = signatureOf('other bytes');

let ingress: Ingress;
beforeAll(async () => {
  ingress = await startIngress({ ...KAFKA, TRUSTED_PROXIES: '127.0.0.1,10.0.0.0/8', BAD_CREDENTIALS_PER_MINUTE: '3' });
});
afterAll(() => ingress.close());

describe('where deliveries may come from', () => {
  let strict: { base: string; close(): Promise<void> };
  beforeAll(async () => {
    strict = await ingress.another({ WEBHOOK_SOURCES: 'workos' });
  });
  afterAll(() => strict.close());

  test.each([
    ['WorkOS', WORKOS, 200],
    ['WorkOS, by two proxies that are trusted', `${WORKOS}, 10.1.2.3`, 200],
    ['WorkOS, behind what the sender wrote himself', `192.0.2.1, ${WORKOS}`, 200],
    ['somebody who says to be WorkOS', `${WORKOS}, 192.0.2.1`, 403],
    ['somebody else', '192.0.2.1', 403],
    ['what is no address', 'unknown', 403],
    ['the proxy itself', undefined, 403],
  ])('%s', async (_, from, status) => {
    const answer = await deliver(strict.base, ingress.token, from === undefined ? {} : { from });
    if (status === 403) await expectProblem(answer, 403, 'source_not_allowed');
    else expect(answer.status).toBe(status);
  });

  test('the header of somebody who is no trusted proxy counts for nothing', async () => {
    const direct = await ingress.another({ WEBHOOK_SOURCES: 'workos', TRUSTED_PROXIES: '' });
    try {
      const answer = await deliver(direct.base, ingress.token, { from: WORKOS });
      await expectProblem(answer, 403, 'source_not_allowed');
    } finally {
      await direct.close();
    }
  });

  test('from everywhere, unless it is set', async () => {
    expect((await deliver(ingress.base, ingress.token, { from: '192.0.2.77' })).status).toBe(200);
  });
});

describe('without proof', () => {
  const refusedUntilLimited = async (from: string, token = ingress.token): Promise<Response> => {
    for (let count = 0; count < 50; count++) {
      const answer = await deliver(ingress.base, token, { from, signature: forged });
      if (answer.status === 429) return answer;
      expect([401, 404]).toContain(answer.status);
    }
    throw new Error('never limited');
  };

  test.each([
    ['a bad signature', '192.0.2.10', undefined],
    ['an endpoint that there is not', '192.0.2.11', 'x'.repeat(43)],
  ])('%s: 429 with Retry-After beyond the limit of its source', async (_, from, token) => {
    const limited = await refusedUntilLimited(from, token);
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
    await expectProblem(limited, 429, 'rate_limited');
  });

  test('whoever signs rightly comes through, from that source and from another one', async () => {
    await refusedUntilLimited('192.0.2.20');
    expect((await deliver(ingress.base, ingress.token, { from: '192.0.2.20' })).status).toBe(200);
    expect((await deliver(ingress.base, ingress.token, { from: '192.0.2.21' })).status).toBe(200);
    await expectProblem(
      await deliver(ingress.base, ingress.token, { from: '192.0.2.21', signature: forged }),
      401,
      'signature_mismatch',
    );
  });

  test('it is counted', async () => {
    const metrics = await (await fetch(`${ingress.base}/metrics`)).text();
    expect(metrics).toMatch(/rescind_rate_limited_total\{limit="bad_credentials"[^}]*\} [1-9]/);
    expect(metrics).toMatch(/rescind_webhook_deliveries_total\{outcome="rate_limited"[^}]*\} [1-9]/);
  });
});

test('an endpoint has a total, which nobody uses up who does not sign', async () => {
  const narrow = await ingress.another({ ENDPOINT_DELIVERIES_PER_SECOND: '1', BAD_CREDENTIALS_PER_MINUTE: '0' });
  try {
    const unsigned = Array.from({ length: 30 }, () => deliver(narrow.base, ingress.token, { signature: forged }));
    for (const answer of await Promise.all(unsigned)) expect(answer.status).toBe(401);
    expect((await deliver(narrow.base, ingress.token)).status).toBe(200);
    const answers = await Promise.all(Array.from({ length: 30 }, () => deliver(narrow.base, ingress.token)));
    const limited = answers.find(({ status }) => status === 429)!;
    expect(limited.headers.get('retry-after')).toBe('1');
    await expectProblem(limited, 429, 'rate_limited');
  } finally {
    await narrow.close();
  }
});
