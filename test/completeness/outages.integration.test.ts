import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { decodeStateRecord } from '#contracts/revocation.js';
import { TOPICS } from '#contracts/topics.js';
import type { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { ensureTopics } from '#kafka/topics.js';
import { eventually } from '#testing/eventually.js';
import { follow, ownTopics } from '../../apps/grants/test/kafka.js';
import { ownDatabase } from '../../apps/grants/test/support.js';
import { deleteUser } from '../../tools/workos-sandbox/src/directory.js';
import { type Sandbox, startSandbox } from '../../tools/workos-sandbox/src/sandbox.js';
import {
  type Body,
  providerOf,
  publishProvider,
  publishWebhook,
  type RunningGrants,
  startGrants,
} from './running-grants.js';

const DAY_MS = 86_400_000;
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface World {
  url: string;
  client: KafkaClient;
  publisher: BatchPublisher;
  sandbox: Sandbox;
  grants: RunningGrants;
}

/**
 * A system of its own: what is done to it would ruin anything else.
 * @param before done to the sandbox before anybody reads from it
 */
async function system(
  provider: 'with a tail' | 'webhooks alone',
  before: (world: World) => Promise<unknown> = async () => undefined,
): Promise<World> {
  const own = await ownDatabase();
  await own.database.close();
  closers.push(own.drop);
  const client = await ownTopics();
  closers.push(() => client.close());
  const publisher = new BatchPublisher(client);
  closers.push(() => publisher.close());
  const sandbox = await startSandbox();
  closers.push(() => sandbox.close());
  const data = providerOf(sandbox, 'idp');
  await publishProvider(publisher, provider === 'with a tail' ? data : { ...data, api_key: null });
  const world: World = { url: own.url, client, publisher, sandbox, grants: undefined as never };
  await before(world);
  world.grants = await startGrants(own.url, client);
  closers.push(() => world.grants.close());
  return world;
}

async function restart(world: World, between: () => Promise<unknown> = async () => undefined): Promise<void> {
  await world.grants.close();
  await between();
  world.grants = await startGrants(world.url, world.client);
}

async function administer(url: string, ...statements: string[]): Promise<void> {
  const server = new URL(url);
  server.pathname = '/postgres';
  const connection = new pg.Client({ connectionString: server.href });
  await connection.connect();
  try {
    for (const statement of statements) await connection.query(statement);
  } finally {
    await connection.end();
  }
}
const nameOf = (url: string): string => new URL(url).pathname.slice(1);
async function backUp({ url }: World): Promise<string> {
  const backup = `backup_${randomBytes(6).toString('hex')}`;
  await administer(url, `create database ${backup} template ${nameOf(url)}`);
  closers.unshift(() => administer(url, `drop database ${backup}`));
  return backup;
}
const restore = ({ url }: World, backup: string): Promise<void> =>
  administer(url, `drop database ${nameOf(url)} with (force)`, `create database ${nameOf(url)} template ${backup}`);

const grantTo = async ({ grants }: World, userId: string): Promise<string> => {
  const body = { provider_id: 'idp', user_id: userId, resource: 'vault', scopes: ['read'] };
  const answer = await grants.call('POST', '/v1/grants', body);
  expect(answer.status).toBe(201);
  return answer.body.id as string;
};
const statusOf = async ({ grants }: World, id: string): Promise<string> =>
  (await grants.call('GET', `/v1/grants/${id}`)).body.status as string;
const isRevoked = (world: World, id: string): Promise<unknown> =>
  eventually(async () => (await statusOf(world, id)) === 'revoked', { what: `${id} is revoked` });
let events = 0;
const leave = ({ publisher }: World, userId: string): Promise<void> =>
  publishWebhook(
    publisher,
    'idp',
    JSON.stringify({
      id: `event_${++events}_${userId}`,
      object: 'event',
      event: 'user.deleted',
      data: { id: userId },
      created_at: new Date().toISOString(),
    }),
  );
const join = ({ publisher }: World, userId: string): Promise<void> =>
  publishWebhook(
    publisher,
    'idp',
    JSON.stringify({
      id: `event_${++events}_${userId}`,
      object: 'event',
      event: 'user.created',
      data: { id: userId, email: `${userId}@example.test` },
      created_at: new Date().toISOString(),
    }),
  );
/** Which no state on any other topic tells: it comes from reading the events again alone. */
const isKnown = (world: World, userId: string): Promise<unknown> =>
  eventually(async () => (await world.grants.call('GET', `/v1/users/${userId}`)).body.email !== undefined, {
    what: `${userId} is known`,
  });
const barByHand = async ({ grants }: World, userId: string): Promise<void> => {
  const body = { provider_id: 'idp', user_id: userId, reason: 'seen at the wrong door' };
  expect((await grants.call('POST', '/v1/revocations', body)).status).toBe(200);
};

/** user → whether the newest state on the compacted topic says that they are closed. */
async function closedOnTopic({ client }: World): Promise<Map<string, boolean>> {
  const { records, close } = await follow(client, TOPICS.revocationState);
  await close();
  const closed = new Map<string, boolean>();
  for (const { value } of records) {
    const record = decodeStateRecord(value);
    if (record.kind === 'scope') closed.set(record.data.user_id ?? '', record.data.closed_at !== null);
  }
  return closed;
}

describe('Postgres is restored from a backup', () => {
  async function withABackup(): Promise<{
    world: World;
    backup: string;
    left: string;
    barred: string;
    before: string;
  }> {
    const world = await system('webhooks alone');
    const [left, barred, before] = [
      await grantTo(world, 'user_left'),
      await grantTo(world, 'user_barred'),
      await grantTo(world, 'user_before'),
    ];
    await leave(world, 'user_before');
    await isRevoked(world, before);
    let backup = '';
    await restart(world, async () => (backup = await backUp(world)));
    // The hour that the backup lacks:
    await join(world, 'user_joined');
    await leave(world, 'user_left');
    await barByHand(world, 'user_barred');
    await isRevoked(world, left);
    await isKnown(world, 'user_joined');
    await eventually(async () => (await closedOnTopic(world)).get('user_barred'));
    return { world, backup, left, barred, before };
  }

  test('and grants starts: nothing is missing, nothing has come back, also where nobody sends anything new', async () => {
    const { world, backup, left, barred, before } = await withABackup();
    await restart(world, () => restore(world, backup));
    for (const id of [left, barred, before]) await isRevoked(world, id);
    await isKnown(world, 'user_joined');
    const closed = await closedOnTopic(world);
    expect([closed.get('user_left'), closed.get('user_barred'), closed.get('user_before')]).toEqual([true, true, true]);
  });

  test('beneath grants that goes on', async () => {
    const { world, backup, left, barred } = await withABackup();
    await restore(world, backup);
    await eventually(async () => (await statusOf(world, left)) !== undefined);
    // Of each partition one, so that each is looked at.
    for (let round = 0; round < 8; round++) await leave(world, `user_later_${round}`);
    for (const id of [left, barred]) await isRevoked(world, id);
    await isKnown(world, 'user_joined');
    const closed = await closedOnTopic(world);
    expect([closed.get('user_left'), closed.get('user_barred')]).toEqual([true, true]);
  });
});

test('Kafka is made anew: the state topic is filled from Postgres, and events go on from their beginning', async () => {
  const world = await system('webhooks alone');
  const grantIds = await Promise.all(['user_a', 'user_b', 'user_c'].map((user) => grantTo(world, user)));
  for (let round = 0; round < 20; round++) await leave(world, `user_other_${round}`);
  await leave(world, 'user_a');
  await barByHand(world, 'user_b');
  await isRevoked(world, grantIds[0]!);
  await eventually(async () => (await closedOnTopic(world)).get('user_b'));

  await restart(world, async () => {
    await world.client.withAdmin(async (admin) => {
      const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(world.client.config.topicPrefix));
      await admin.deleteTopics({ topics });
      await admin.deleteGroups([`${world.client.config.topicPrefix}grants`]).catch(() => undefined);
    });
    await eventually(async () => {
      await ensureTopics(world.client, { partitions: 2, replicationFactor: 1 });
      return (await world.client.endOffsets(TOPICS.workosEvents))[0] === '0';
    });
    await publishProvider(world.publisher, { ...providerOf(world.sandbox, 'idp'), api_key: null });
  });
  await eventually(async () => {
    const closed = await closedOnTopic(world);
    return closed.get('user_a') && closed.get('user_b') && closed.get('user_other_7');
  });
  // Fewer than before, so a position of the old log would skip it.
  await leave(world, 'user_c');
  await isRevoked(world, grantIds[2]!);
  expect(await statusOf(world, grantIds[1]!)).toBe('revoked');
});

describe('WorkOS is away, webhooks and API', () => {
  const workos = async ({ sandbox }: World, method: string, path: string, body?: object): Promise<Body> => {
    const response = await fetch(sandbox.url + path, {
      method,
      headers: { authorization: `Bearer ${sandbox.apiKey}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    return text === '' ? {} : JSON.parse(text);
  };
  const clock = (world: World, offset_ms: number): Promise<Body> =>
    workos(world, 'POST', '/_sandbox/clock', { offset_ms });
  const outage = (world: World, api: string): Promise<Body> => workos(world, 'POST', '/_sandbox/outages', { api });
  const certificate = async ({ grants }: World): Promise<Body> =>
    (await grants.call('GET', '/v1/completeness')).body.data[0];
  /** Somebody joins, and `days` of silence begin. */
  async function beforeTheOutage(days: number): Promise<{ world: World; userId: string; grantId: string }> {
    // A tail that had read up to today would never ask for what is older.
    const world = await system('with a tail', (begun) => clock(begun, -days * DAY_MS));
    const { id: userId } = await workos(world, 'POST', '/user_management/users', { email: 'ada@example.test' });
    await eventually(async () => (await world.grants.call('GET', `/v1/users/${userId}`)).status === 200);
    const grantId = await grantTo(world, userId);
    await outage(world, 'error');
    await eventually(async () => (await certificate(world)).problem !== undefined);
    return { world, userId, grantId };
  }

  test('for three days: afterwards nothing is missing, and the certificate says so', async () => {
    const { world, userId, grantId } = await beforeTheOutage(3);
    // What happens meanwhile, nobody can tell us.
    deleteUser(world.sandbox.world, userId);
    await clock(world, 0);
    await outage(world, 'none');
    await isRevoked(world, grantId);
    const certified = await eventually(async () => {
      const said = await certificate(world);
      return said.status === 'complete' && said;
    });
    expect(Date.parse(certified.complete_from)).toBeLessThan(Date.now() - 80 * DAY_MS);
  });

  test('for longer than it keeps events: the certificate does not claim what nobody knows, and a comparison repairs', async () => {
    const { world, userId, grantId } = await beforeTheOutage(3);
    await restart(world, async () => {
      const connection = new pg.Client({ connectionString: world.url });
      await connection.connect();
      await connection.query(
        `update grants.tail_readings set cursor_id = 'event_thrown_away', complete_from = $1, read_up_to = $2`,
        [Date.now() - 190 * DAY_MS, Date.now() - 100 * DAY_MS],
      );
      await connection.end();
      await workos(world, 'POST', '/_sandbox/silently', { delete_user: userId });
      await clock(world, 0);
      await outage(world, 'none');
    });
    const certified = await eventually(async () => {
      const said = await certificate(world);
      return said.status === 'complete' && said;
    });
    expect(Date.parse(certified.complete_from)).toBeGreaterThan(Date.now() - 91 * DAY_MS);
    expect(await statusOf(world, grantId)).toBe('active');
    const { body } = await world.grants.call('POST', '/v1/reconciliations', { provider_id: 'idp', dry_run: false });
    await eventually(
      async () => (await world.grants.call('GET', `/v1/reconciliations/${body.id}`)).body.status === 'done',
    );
    await isRevoked(world, grantId);
  });
});
