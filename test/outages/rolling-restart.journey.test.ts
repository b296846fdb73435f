import { createHmac, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { StackFile } from '#testing/stack-file.js';
import { Client, untilAnswer } from '../journey/client.js';
import { TestStack } from '../journey/stack.js';
import { ModelService, moreReplicas, ofStack, type Replica, SERVICES, type ServiceName } from './replicas.js';

const ROOT = join(import.meta.dirname, '../..');
/** How many clients send to each service all the time. */
const CLIENTS = 2;
/** Of each service, at least two. */
const REPLICAS = Number(process.env['TEST_REPLICAS'] ?? 2);

let running: TestStack;
let stack: StackFile;
let client: Client;
const others: Replica[] = [];

beforeAll(async () => {
  // A busy machine may take longer to hand over the relay than verifiers wait for it by default; that is another test.
  process.env['MAX_STALENESS_MS'] = '60000';
  running = await TestStack.create();
  stack = await running.start();
  client = new Client(stack);
  for (let n = 2; n <= REPLICAS; n++) {
    const more = await moreReplicas(`replica-${n}`, stack, running, ROOT);
    others.push(...more);
    await Promise.all(more.map((replica) => replica.start()));
  }
}, 600_000);

afterAll(async () => {
  await Promise.all(others.map((replica) => replica.stop()));
  await running.stop();
  await running.remove();
}, 600_000);

test(`${REPLICAS} replicas of each service are restarted one after the other under load, and no request fails`, async () => {
  const person = await client.person();
  await untilAnswer(
    () => client.verdict(person.token),
    (verdict) => verdict === 'active',
  );
  const services = Object.fromEntries(SERVICES.map((name) => [name, new ModelService()])) as Record<
    ServiceName,
    ModelService
  >;
  const replicas = [...SERVICES.map((name) => ofStack(name, stack, running)), ...others];
  for (const { name, url } of replicas) services[name].add(url);

  const authorized = { authorization: `Bearer ${stack.adminApiKey}`, 'content-type': 'application/json' };
  const sent: string[] = [];
  const requests: Record<ServiceName, () => Promise<number>> = {
    portal: () => services.portal.send('GET', '/v1/identity-providers', authorized),
    webhookIngress: async () => {
      const webhook = somebodyElseLeaves();
      const status = await services.webhookIngress.send('POST', ...signed(webhook));
      if (status === 200) sent.push(webhook.id);
      return status;
    },
    grants: () =>
      services.grants.send(
        'POST',
        '/v1/access/check',
        authorized,
        JSON.stringify({ provider_id: stack.provider.id, user_id: person.userId, resource: 'r', scope: 's' }),
      ),
    tokenVerification: () =>
      services.tokenVerification.send('POST', '/v1/tokens/verify', authorized, JSON.stringify({ token: person.token })),
    signals: () => services.signals.send('GET', '/v1/streams', authorized),
  };

  const answered = Object.fromEntries(SERVICES.map((name) => [name, 0])) as Record<ServiceName, number>;
  const failed: string[] = [];
  let over = false;
  let doing = 'nothing';
  const load = SERVICES.flatMap((name) =>
    Array.from({ length: CLIENTS }, async () => {
      for (; !over; await delay(20)) {
        const status = await requests[name]().catch((error: unknown) => String(error));
        if (status === 200) answered[name] += 1;
        else failed.push(`${name} while ${doing}: ${status}`);
      }
    }),
  );

  const took: string[] = [];
  for (const replica of replicas) {
    const { name, url } = replica;
    const before = { ...answered };
    doing = `a ${name} stops`;
    services[name].remove(url);
    const ms = await replica.stop();
    doing = `a ${name} starts`;
    const startedAt = performance.now();
    await replica.start();
    took.push(`${name} ${Math.round(ms)} ms (ready again after ${Math.round(performance.now() - startedAt)} ms)`);
    services[name].add(url);
    // The other one has gone on meanwhile.
    await untilAnswer(
      async () => answered,
      (now) => SERVICES.every((one) => now[one] > before[one]),
    );
  }
  over = true;
  await Promise.all(load);
  console.info(`each process was gone after: ${took.join(', ')}; answered: ${JSON.stringify(answered)}`);
  expect(failed).toEqual([]);

  // And what was answered with 200 is there.
  await untilAnswer(
    async () => JSON.stringify((await client.api('grants', 'GET', '/v1/events?limit=500')).body),
    (text) => sent.slice(-100).every((id) => text.includes(`"${id}"`)),
  );
}, 600_000);

function somebodyElseLeaves(): { id: string } {
  const user = `user_01${randomBytes(8).toString('hex').toUpperCase()}`;
  const at = new Date().toISOString();
  const data = { object: 'user', id: user, email: 'somebody@example.test' };
  const event = { id: `event_${user}`, object: 'event', event: 'user.deleted', data, created_at: at };
  return event;
}

/** Path, headers and body of a delivery, as WorkOS makes it. */
function signed(webhook: object): [path: string, headers: Record<string, string>, body: string] {
  const body = JSON.stringify(webhook);
  const at = Date.now();
  const digest = createHmac('sha256', stack.webhook.secret).update(`${at}.${body}`).digest('hex');
  const headers = { 'content-type': 'application/json', 'workos-signature': `t=${at}, v1=${digest}` };
  return [new URL(stack.webhook.url).pathname, headers, body];
}
