import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { StackFile } from '#testing/stack-file.js';
import { Client, untilAnswer, type Json, type Person } from '../journey/client.js';
import { TestStack } from '../journey/stack.js';

// Each outage of docs/outages.md against the whole stack: what every service says and does meanwhile, and that all of them
// come back without a restart. Services are named as in stack.json.
const SERVICES = ['portal', 'webhookIngress', 'grants', 'tokenVerification'] as const;
type Service = (typeof SERVICES)[number];

let running: TestStack;
let stack: StackFile;
let client: Client;

beforeAll(async () => {
  running = await TestStack.create();
  stack = await running.start();
  client = new Client(stack);
}, 600_000);

afterAll(async () => {
  await running.stop();
  await running.remove();
}, 600_000);

interface Outage {
  what: string;
  server: 'kafka' | 'postgres';
  begin(server: 'kafka' | 'postgres'): Promise<() => Promise<void>>;
  /** What `/health/ready` names as missing; a service that is not here stays ready. */
  missing: Partial<Record<Service, string>>;
  during(leaving: Leaving): Promise<void>;
}

/** Somebody who is deleted in the middle of the outage, somebody who stays, and a grant of each. */
interface Leaving {
  goes: Person;
  stays: Person;
  grantOfGoes: string;
  webhook: object;
}

async function silence(server: string): Promise<() => Promise<void>> {
  const goOn = await running.pause(server);
  return async () => goOn();
}

const answersOfIngress = (webhook: object, status: number): Promise<number> =>
  untilAnswer(
    () => client.deliver(webhook),
    (answer) => answer === status,
  );

const grantsAnswers = (id: string, status: number): Promise<unknown> =>
  untilAnswer(
    () => client.api('grants', 'GET', `/v1/grants/${id}`),
    (answer) => answer.status === status,
  );

const becomes = (token: string, verdict: string): Promise<string> =>
  untilAnswer(
    () => client.verdict(token),
    (answer) => answer === verdict,
  );

async function withoutKafka({ webhook, goes, grantOfGoes }: Leaving): Promise<void> {
  await answersOfIngress(webhook, 503); // and so WorkOS sends it again
  await becomes(goes.token, 'view_stale');
  await grantsAnswers(grantOfGoes, 200); // from the database, which is there
}

async function withoutPostgres({ webhook, goes, grantOfGoes }: Leaving): Promise<void> {
  await answersOfIngress(webhook, 200);
  await grantsAnswers(grantOfGoes, 503);
  await becomes(goes.token, 'view_stale'); // nobody says that the view is fresh
}

const OUTAGES: Outage[] = [
  {
    what: 'Kafka is silent',
    server: 'kafka',
    begin: silence,
    missing: { webhookIngress: 'kafka', grants: 'kafka', tokenVerification: 'view' },
    during: withoutKafka,
  },
  {
    what: 'Kafka is away',
    server: 'kafka',
    begin: async (server) => running.keepAway(server),
    missing: { webhookIngress: 'kafka', grants: 'kafka', tokenVerification: 'view', portal: 'publication' },
    during: withoutKafka,
  },
  {
    what: 'Postgres is silent',
    server: 'postgres',
    begin: silence,
    missing: { grants: 'database', tokenVerification: 'view', portal: 'database' },
    during: withoutPostgres,
  },
  {
    what: 'Postgres is away',
    server: 'postgres',
    begin: async (server) => running.keepAway(server),
    missing: { grants: 'database', tokenVerification: 'view', portal: 'database' },
    during: withoutPostgres,
  },
];

test.each(OUTAGES)(
  '$what: each service says so, keeps its promise, and is back without a restart',
  async (outage) => {
    if (stack.pids[outage.server] === undefined) return; // in a container, which nobody here may pause
    const leaving = await somebodyLeaves();
    const pids = servicePids(await running.read());
    const end = await outage.begin(outage.server);
    try {
      for (const service of SERVICES) {
        const missing = outage.missing[service];
        if (missing !== undefined) await saysMissing(service, missing);
        expect((await fetch(`${stack[service]}/health/live`)).status).toBe(200);
      }
      await outage.during(leaving);
      for (const service of SERVICES) if (outage.missing[service] === undefined) await isReady(service);
    } finally {
      await end();
    }
    await answersOfIngress(leaving.webhook, 200);
    for (const service of SERVICES) await isReady(service);
    await hasLeft(leaving);
    expect(servicePids(await running.read())).toEqual(pids);
  },
  300_000,
);

test('the disk of Postgres is full: no event is lost or set aside, tokens are refused all the same', async () => {
  const leaving = await somebodyLeaves();
  const database = new pg.Client(stack.databaseUrl);
  await database.connect();
  try {
    // As Postgres answers each statement that needs room (SQLSTATE 53100).
    await database.query(`
      create function grants.no_room() returns trigger language plpgsql as
        $$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;
      create trigger no_room before insert on grants.receipts execute function grants.no_room()`);
    await answersOfIngress(leaving.webhook, 200);
    await becomes(leaving.goes.token, 'user_deprovisioned');
    await untilAnswer(
      () => readiness('grants'),
      ({ body }) => body['events'] !== undefined,
    );
    expect((await client.grantOf(leaving.grantOfGoes))['status']).toBe('active');
  } finally {
    await database.query('drop function grants.no_room cascade');
    await database.end();
  }
  await hasLeft(leaving);
  expect((await client.api('grants', 'GET', '/v1/set-aside')).body['data']).toEqual([]);
}, 600_000);

test('grants is behind: tokens are judged by what is read of the events, and it catches up', async () => {
  const leaving = await somebodyLeaves();
  const database = new pg.Client(stack.databaseUrl);
  await database.connect();
  try {
    // No event can be noted as applied meanwhile; all else goes on.
    await database.query('begin; lock table grants.receipts in exclusive mode');
    await answersOfIngress(leaving.webhook, 200);
    const storedAt = new Date().toISOString();
    await becomes(leaving.goes.token, 'user_deprovisioned');
    await untilAnswer(
      () => readiness('grants'),
      ({ body }) => body['events'] !== undefined && Number((body['lag'] as Json)['workos.events']) > 0,
    );
    // The view goes on being proved, since each verifier reads the events itself.
    await untilAnswer(
      () => client.verify(leaving.stays.token),
      ({ active, as_of }) => active === true && String(as_of) > storedAt,
    );
    expect((await client.grantOf(leaving.grantOfGoes))['status']).toBe('active');
  } finally {
    await database.query('rollback');
    await database.end();
  }
  await hasLeft(leaving);
}, 600_000);

test('Kafka is slow: what was answered with 200 is there, nobody gets in who left, and nothing has to be restarted', async () => {
  if (stack.pids['kafka'] === undefined) return; // in a container, which nobody here may pause
  const pids = servicePids(await running.read());
  const people = await Promise.all(Array.from({ length: 5 }, somebodyLeaves));
  let over = false;
  const slowing = (async () => {
    while (!over) {
      const goOn = await running.pause('kafka');
      await delay(400);
      goOn();
      await delay(100);
    }
  })();
  try {
    for (const { webhook, goes } of people) {
      await answersOfIngress(webhook, 200);
      await becomes(goes.token, 'user_deprovisioned');
    }
  } finally {
    over = true;
    await slowing;
  }
  for (const leaving of people) await hasLeft(leaving);
  for (const service of SERVICES) await isReady(service);
  expect(servicePids(await running.read())).toEqual(pids);
}, 600_000);

async function somebodyLeaves(): Promise<Leaving> {
  const [goes, stays] = [await client.person(), await client.person()];
  for (const { token } of [goes, stays]) await becomes(token, 'active');
  const { userId: user_id, organizationId: organization_id, sessionId: session_id } = goes;
  const { body } = await untilAnswer(
    () => client.makeGrant({ user_id, organization_id, session_id }),
    ({ status }) => status === 201,
  );
  const webhook = {
    id: `event_leaves_${user_id}`,
    object: 'event',
    event: 'user.deleted',
    data: { object: 'user', id: user_id, email: goes.email },
    created_at: new Date().toISOString(),
  };
  return { goes, stays, grantOfGoes: String(body['id']), webhook };
}

async function hasLeft({ goes, stays, grantOfGoes }: Leaving): Promise<void> {
  await becomes(goes.token, 'user_deprovisioned');
  await becomes(stays.token, 'active');
  await untilAnswer(
    () => client.grantOf(grantOfGoes),
    ({ status }) => status === 'revoked',
  );
}

async function readiness(service: Service): Promise<{ status: number; body: Json }> {
  const answer = await fetch(`${stack[service]}/health/ready`);
  return { status: answer.status, body: (await answer.json()) as Json };
}

const saysMissing = (service: Service, what: string): Promise<unknown> =>
  untilAnswer(
    () => readiness(service),
    ({ status, body }) => status === 503 && what in (body['missing'] as Json),
  );

const isReady = (service: Service): Promise<unknown> =>
  untilAnswer(
    () => readiness(service),
    ({ status }) => status === 200,
  );

const servicePids = (stack: StackFile | undefined): unknown[] => SERVICES.map((service) => stack?.pids[service]);
