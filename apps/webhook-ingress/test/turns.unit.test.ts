import type { FastifyReply, FastifyRequest } from 'fastify';
import { BrokerUnavailable } from '#kafka/errors.js';
import { createLogger } from '#platform/logging.js';
import type { Problem } from '#platform/problem.js';
import { eventually } from '#testing/eventually.js';
import { sign } from '#workos/signature.js';
import { Turns } from '../src/turns.js';
import { webhookRoutes } from '../src/webhook-routes.js';

const enter = (turns: Turns, times: number) => Array.from({ length: times }, () => turns.enter());
/** Some of them do not wait at all. */
const all = (entered: (Promise<void> | undefined)[]) => Promise.all(entered.filter((turn) => turn !== undefined));

test('while few are under way nobody waits', () => {
  const turns = new Turns();
  for (let i = 0; i < 100; i++) {
    expect(enter(turns, 7)).toEqual(Array.from({ length: 7 }, () => undefined));
    for (let left = 0; left < 7; left++) turns.leave();
  }
});

test('while many are, they go on together, half as many as there were before', async () => {
  const turns = new Turns();
  const first = enter(turns, 20);
  expect(first.filter((turn) => turn === undefined)).toHaveLength(7);
  await all(first); // also the last ones, for whom nobody comes any more
  for (let left = 0; left < 20; left++) turns.leave();

  const gone: number[] = [];
  const second = enter(turns, 9).map((turn, index) => turn!.then(() => gone.push(index)));
  await Promise.resolve();
  expect(gone).toEqual([]);
  second.push(turns.enter()!.then(() => gone.push(9))); // now all are there: no timer is waited for
  await Promise.resolve();
  expect(gone).toHaveLength(10);
  await Promise.all(second);
});

test('when the others have gone, one waits for them once, and never again', async () => {
  const turns = new Turns();
  await all(enter(turns, 20));
  for (let left = 0; left < 20; left++) turns.leave();
  await turns.enter();
  turns.leave();
  expect(turns.enter()).toBeUndefined();
});

test('deliveries wait for their turn, and give it back however they end', async () => {
  const begun: (() => void)[] = [];
  const parts = {
    config: { signatureToleranceMs: 180_000 },
    endpoints: {
      isReady: () => true,
      find: () => ({ provider: { id: 'idp', mode: 'enforced' }, secrets: [{ id: 'whs', secret: 's' }], unreadable: 0 }),
    },
    /** Kafka answers when it is told to. */
    publisher: { publish: () => new Promise<void>((_, fail) => begun.push(() => fail(new BrokerUnavailable('away')))) },
    metrics: { delivered: () => undefined },
    gate: { checkSource: () => undefined, countDelivery: () => undefined, refusal: (problem: Problem) => problem },
    activity: { refused: () => undefined },
    logger: createLogger('test', 'silent'),
  };
  const [route] = webhookRoutes(parts as unknown as Parameters<typeof webhookRoutes>[0]);
  const deliver = async (): Promise<void> => {
    const body = Buffer.from(JSON.stringify({ id: 'event_1', event: 'user.deleted', data: { id: 'user_1' } }));
    const t = String(Date.now());
    const headers = { 'workos-signature': `t=${t}, v1=${sign(t, body, 's')}` };
    const request = { params: { token: 'x' }, body, headers } as unknown as FastifyRequest;
    await expect(route!.handler(request, {} as FastifyReply)).rejects.toMatchObject({ code: 'broker_unavailable' });
  };
  const end = (): void => begun.splice(0).forEach((one) => one());

  const many = Promise.all(Array.from({ length: 20 }, deliver));
  expect(begun).toHaveLength(7);
  await eventually(() => begun.length === 20);
  end();
  await many;
  const alone = deliver(); // waits a moment for those who have gone
  await eventually(() => begun.length === 1);
  end();
  await alone;
  const next = deliver();
  expect(begun).toHaveLength(1);
  end();
  await next;
});
