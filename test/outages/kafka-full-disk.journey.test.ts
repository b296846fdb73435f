import { join } from 'node:path';
import type { StackFile } from '#testing/stack-file.js';
import { Client, untilAnswer, type Json } from '../journey/client.js';
import { TestStack } from '../journey/stack.js';
import { OwnDisk } from './own-disk.js';

// Kafka on a disk of its own that is really full. It ends itself then, and each time that it is started again, until there is
// room: as whatever keeps it running would, the stack goes on starting it.

const SERVICES = ['portal', 'webhookIngress', 'grants', 'tokenVerification'] as const;

let running: TestStack;
let disk: OwnDisk | string;
let stack: StackFile;
let client: Client;

beforeAll(async () => {
  running = await TestStack.create();
  disk = OwnDisk.mount(join(running.dir, 'data', 'kafka'), 256);
  if (typeof disk === 'string') return console.warn(`skipped: a disk of its own cannot be made here: ${disk}`);
  stack = await running.start();
  client = new Client(stack);
}, 600_000);

afterAll(async () => {
  if (typeof disk !== 'string') disk.free();
  await running.stop();
  if (typeof disk !== 'string') disk.unmount();
  await running.remove();
}, 600_000);

test('the disk of Kafka is full: no delivery is answered 200 that is not stored, and all is well once there is room', async () => {
  if (typeof disk === 'string' || stack.pids['kafka'] === undefined) return;
  const [stays, goes] = [await client.person(), await client.person()];
  for (const { token } of [stays, goes]) await verdictIs(token, 'active');
  const pids = servicePids(stack);

  // Until it is full, and longer: each is answered, and not all of them with 200.
  const stored: string[] = [];
  const refused: object[] = [];
  const isFull = async (): Promise<number> => {
    const webhook = deleted(`user_full_${stored.length + refused.length}`);
    const status = await client.deliver(webhook);
    if (status === 200) stored.push(webhook.data.id);
    else refused.push(webhook);
    return status;
  };
  for (let n = 0; n < 50; n++) expect(await isFull()).toBe(200);
  disk.fill();
  await untilAnswer(isFull, (status) => status === 503);
  const webhookOfGoes = deleted(goes.userId);
  expect(await client.deliver(webhookOfGoes)).toBe(503);
  await saysMissing('webhookIngress', 'kafka');
  await saysMissing('tokenVerification', 'view');
  for (const { token } of [stays, goes]) await verdictIs(token, 'view_stale');
  for (const service of SERVICES) expect((await fetch(`${stack[service]}/health/live`)).status).toBe(200);

  disk.free();
  for (const webhook of [...refused, webhookOfGoes])
    await untilAnswer(
      () => client.deliver(webhook),
      (status) => status === 200,
    );
  for (const service of SERVICES)
    await untilAnswer(
      () => fetch(`${stack[service]}/health/ready`),
      ({ status }) => status === 200,
    );
  await verdictIs(goes.token, 'user_deprovisioned');
  await verdictIs(stays.token, 'active');
  // Deleted is who was answered 200, before and after: nobody of them may be given anything.
  for (const user_id of stored)
    await untilAnswer(
      () => client.makeGrant({ user_id }),
      ({ status }) => status === 409,
    );
  expect((await client.api('grants', 'GET', '/v1/set-aside')).body['data']).toEqual([]);
  expect(servicePids((await running.read())!)).toEqual(pids);
}, 600_000);

const deleted = (id: string) => ({
  id: `event_deleted_${id}`,
  object: 'event',
  event: 'user.deleted',
  data: { object: 'user', id, email: `${id}@example.test` },
  created_at: new Date().toISOString(),
});

const verdictIs = (token: string, verdict: string): Promise<string> =>
  untilAnswer(
    () => client.verdict(token),
    (answer) => answer === verdict,
  );

const saysMissing = (service: 'webhookIngress' | 'tokenVerification', what: string): Promise<unknown> =>
  untilAnswer(
    async () => {
      const answer = await fetch(`${stack[service]}/health/ready`);
      return { status: answer.status, body: (await answer.json()) as Json };
    },
    ({ status, body }) => status === 503 && what in (body['missing'] as Json),
  );

const servicePids = ({ pids }: StackFile): unknown[] => SERVICES.map((service) => pids[service]);
