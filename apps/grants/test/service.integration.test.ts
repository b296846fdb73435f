import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { IDENTITY_PROVIDER_TYPE } from '#contracts/identity-provider.js';
import { SIGN_IN_TYPE } from '#contracts/sign-in.js';
import { type Topic, TOPICS } from '#contracts/topics.js';
import { KafkaBatchServer } from '#kafka/batch-server.js';
import type { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { loadConfig } from '#platform/config.js';
import { createService, listen } from '#platform/serve.js';
import { providerRecord } from '#testing/provider-record.js';
import { eventually } from '#testing/eventually.js';
import { AppModule } from '../src/app.module.js';
import { grantsConfig } from '../src/config.js';
import { gatherMs } from '../src/events/gather-ms.js';
import { Lifetime } from '../src/lifetime.js';
import { follow, ownTopics } from './kafka.js';
import { all, event, ownDatabase, type RawEvent, recordOf } from './support.js';

const PROVIDER = 'idp_workos';
let own: Awaited<ReturnType<typeof ownDatabase>>;
let client: KafkaClient;
let publisher: BatchPublisher;
let app: NestFastifyApplication;
let url: string;

beforeAll(async () => {
  own = await ownDatabase(10, { roles: true });
  client = await ownTopics();
  publisher = new BatchPublisher(client);
  await publishProvider();
  const config = loadConfig(grantsConfig, {
    HOST: '127.0.0.1',
    PORT: '0',
    LOG_LEVEL: 'silent',
    KAFKA_BROKERS: client.config.brokers.join(),
    KAFKA_TOPIC_PREFIX: client.config.topicPrefix,
    KAFKA_PARTITIONS: '2',
    KAFKA_REPLICATION_FACTOR: '1',
    DATABASE_URL: own.url,
    MIGRATION_DATABASE_URL: own.migrationUrl,
    DATABASE_EXCESS_RIGHTS: 'refuse',
    RESCIND_API_KEYS: 'tester:secret',
  });
  const options = { ...config, logger: pino({ level: process.env['TEST_LOG'] ?? 'silent' }) };
  app = await createService(AppModule.forRoot(config, options.logger, new Registry()), options);
  app.connectMicroservice({ strategy: app.get(KafkaBatchServer) });
  url = await listen(app, options);
  app.get(Lifetime).start(async () => {
    await app.startAllMicroservices();
  });
  await eventually(async () => (await fetch(`${url}/health/ready`)).status === 200, { what: 'ready' });
});
afterAll(async () => {
  await app.close();
  await publisher.close();
  await client.close();
  await own.drop();
});

test('it gathers events under load', () => {
  expect(app.get(KafkaBatchServer)['options'].gatherMs).toBe(gatherMs);
});

async function publishProvider(): Promise<void> {
  const data = providerRecord(PROVIDER, { suspension_rule: { metadata_key: 'suspended', value: 'yes' } });
  await publishEvent(TOPICS.identityProviders, PROVIDER, IDENTITY_PROVIDER_TYPE, data);
}

function publishEvent(topic: Topic, key: string, type: string, data: object): Promise<void> {
  const cloudEvent = {
    specversion: '1.0',
    id: `${key}-1`,
    source: '/test',
    type,
    datacontenttype: 'application/json',
    data,
  };
  return publisher.publish(topic, { key, value: Buffer.from(JSON.stringify(cloudEvent)) });
}

const publish = (raw: RawEvent): Promise<void> => {
  const { key, value } = recordOf(raw, PROVIDER);
  return publisher.publish(TOPICS.workosEvents, { key, value });
};
/** WorkOS says it now, so that it is later than what was granted before. */
const now = (type: string, data: Record<string, unknown>): RawEvent => ({
  ...event(type, 0, data),
  created_at: new Date().toISOString(),
});

interface Answer {
  status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever the service says
  body: any;
}
async function call(
  method: 'GET' | 'POST',
  path: string,
  body?: object,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(url + path, {
    method,
    headers: {
      authorization: 'Bearer secret',
      ...(body ? { 'content-type': 'application/json' } : {}),
      ...headers,
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  return { status: response.status, body: await response.json() };
}
const grant = (userId: string, more: object = {}): Promise<Answer> =>
  call('POST', '/v1/grants', { user_id: userId, resource: 'vault', scopes: ['read', 'write'], ...more });
const check = (userId: string, more: object = {}): Promise<Answer> =>
  call('POST', '/v1/access/check', { user_id: userId, resource: 'vault', scope: 'read', ...more });
const lag = async (): Promise<number> => {
  const topics = await app.get(KafkaBatchServer).lag();
  return Object.values(topics[TOPICS.workosEvents] ?? {}).reduce((sum, one) => sum + Number(one), 0);
};

test.each([
  ['user.deleted', 'user_deprovisioned', (user: string) => ({ id: user })],
  [
    'organization_membership.deleted',
    'membership_deleted',
    (user: string) => ({ user_id: user, organization_id: `org_${user}` }),
  ],
  [
    'organization_membership.updated',
    'membership_inactive',
    (user: string) => ({ user_id: user, organization_id: `org_${user}`, status: 'inactive' }),
  ],
  ['session.revoked', 'session_revoked', (user: string) => ({ id: `session_${user}`, user_id: user })],
  ['organization.deleted', 'organization_deleted', (user: string) => ({ id: `org_${user}` })],
  ['user.updated', 'user_suspended', (user: string) => ({ id: user, metadata: { suspended: 'yes' } })],
])('%s ends access: %s', async (type, reason, data) => {
  const user = `user_${reason}`;
  const revocations = await follow(client, TOPICS.revocations);
  const made = await grant(user, { organization_id: `org_${user}`, session_id: `session_${user}` });
  expect(made).toMatchObject({ status: 201, body: { status: 'active', provider_id: PROVIDER, revocation: null } });
  const { id } = made.body as { id: string };
  expect(await check(user, { organization_id: `org_${user}` })).toEqual({
    status: 200,
    body: { allowed: true, grant_id: id },
  });

  const said = now(type, data(user));
  await publish(said);
  await eventually(async () => (await call('GET', `/v1/grants/${id}`)).body.status === 'revoked', { what: 'revoked' });

  expect((await call('GET', `/v1/grants/${id}`)).body).toMatchObject({
    revoked_at: said.created_at,
    revocation: { reason, source_event_id: said.id, actor: 'workos' },
  });
  expect(await check(user, { organization_id: `org_${user}` })).toMatchObject({
    status: 200,
    body: { allowed: false, reason },
  });
  const again = await grant(user, { organization_id: `org_${user}`, session_id: `session_${user}` });
  expect(again).toMatchObject({ status: 409, body: { code: 'principal_deprovisioned', reason } });
  const announced = await eventually(
    () =>
      revocations.records
        .map(({ value }) => JSON.parse(String(value)))
        .find(({ data }) => data.source_event_id === said.id),
    { what: 'announced' },
  );
  expect(announced).toMatchObject({ type: 'io.rescind.revocation.v1', data: { reason, revoked_grant_ids: [id] } });
  await revocations.close();
});

test('nothing without an API key; problems have codes', async () => {
  const bare = await fetch(`${url}/v1/grants`);
  expect([bare.status, ((await bare.json()) as { code: string }).code]).toEqual([401, 'api_key_invalid']);
  expect(await call('GET', '/v1/grants/grant_none')).toMatchObject({ status: 404, body: { code: 'grant_unknown' } });
  expect(await call('POST', '/v1/grants', { user_id: '' })).toMatchObject({
    status: 400,
    body: { code: 'request_invalid' },
  });
  expect(await grant('user_x', { provider_id: 'idp_other' })).toMatchObject({
    status: 400,
    body: { code: 'provider_unknown' },
  });
  expect(await call('GET', '/v1/events?cursor=zzz')).toMatchObject({ status: 400, body: { code: 'request_invalid' } });
  expect(await call('GET', '/v1/users/user_nobody')).toMatchObject({ status: 404, body: { code: 'user_unknown' } });
  const odd = await call('POST', '/v1/revocations', { session_id: 's', user_id: 'u', reason: 'x' });
  expect(odd).toMatchObject({ status: 400, body: { code: 'request_invalid' } });
});

test('the same Idempotency-Key is the same grant, and never another one', async () => {
  const ask = (userId: string) =>
    call('POST', '/v1/grants', { user_id: userId, resource: 'r', scopes: ['s'] }, { 'idempotency-key': 'key-1' });
  const first = await ask('user_once');
  expect(await ask('user_once')).toEqual(first);
  expect(await ask('user_twice')).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
});

test('pages hold every grant once, whatever the filter', async () => {
  const ids: string[] = [];
  for (let index = 0; index < 23; index++) {
    const expires_at = index % 3 === 0 ? '2020-01-01T00:00:00Z' : undefined;
    ids.push((await grant('user_pages', { resource: `r${index % 2}`, expires_at })).body.id);
  }
  for (const id of ids.slice(0, 6)) await call('POST', `/v1/grants/${id}/revoke`, { reason: 'enough' });
  const collect = async (query: string): Promise<string[]> => {
    const found: string[] = [];
    for (let cursor = ''; ;) {
      const { body } = await call('GET', `/v1/grants?user_id=user_pages&limit=4&${query}${cursor}`);
      found.push(...body.data.map(({ id }: { id: string }) => id));
      expect(body.data.length).toBeLessThanOrEqual(4);
      if (body.next_cursor === null) return found;
      cursor = `&cursor=${body.next_cursor}`;
    }
  };
  expect(await collect('')).toEqual(ids.toReversed());
  expect(await collect('status=revoked')).toEqual(ids.slice(0, 6).toReversed());
  const expired = ids.filter((_, index) => index >= 6 && index % 3 === 0);
  expect(await collect('status=expired')).toEqual(expired.toReversed());
  const active = ids.filter((_, index) => index >= 6 && index % 3 !== 0);
  expect(await collect('status=active')).toEqual(active.toReversed());
  expect(await collect('resource=r1')).toEqual(ids.filter((_, index) => index % 2 === 1).toReversed());
  const impossible = Buffer.from('["a\\u0000"]').toString('base64url');
  expect((await call('GET', `/v1/grants?cursor=${impossible}`)).body).toMatchObject({ code: 'request_invalid' });
});

test('a grant revoked by hand, an expired one and one that is not there are told apart', async () => {
  const { body } = await grant('user_hand');
  const revoked = await call('POST', `/v1/grants/${body.id}/revoke`, { reason: 'lost laptop' });
  expect(revoked).toMatchObject({
    status: 200,
    body: { status: 'revoked', revocation: { reason: 'lost laptop', source_event_id: null, actor: 'tester' } },
  });
  expect(await call('POST', `/v1/grants/${body.id}/revoke`, { reason: 'other' })).toEqual(revoked);
  expect((await check('user_hand')).body).toEqual({ allowed: false, reason: 'grant_revoked', grant_id: body.id });
  expect((await check('user_none')).body).toEqual({ allowed: false, reason: 'no_grant' });
  await grant('user_old', { expires_at: '2020-01-01T00:00:00Z' });
  expect((await check('user_old')).body).toMatchObject({ allowed: false, reason: 'expired' });
  const other = await call('POST', '/v1/access/check', { user_id: 'user_hand', resource: 'other', scope: 'read' });
  expect(other.body).toEqual({ allowed: false, reason: 'no_grant' });
});

test('access within one organization says nothing about another', async () => {
  await grant('user_orgs', { organization_id: 'org_one' });
  expect((await check('user_orgs', { organization_id: 'org_one' })).body.allowed).toBe(true);
  expect((await check('user_orgs', { organization_id: 'org_two' })).body).toEqual({
    allowed: false,
    reason: 'no_grant',
  });
});

test('by hand: dry run, revocation, listing, reinstatement', async () => {
  const { body } = await grant('user_byhand', { organization_id: 'org_byhand' });
  const selector = { user_id: 'user_byhand', organization_id: 'org_byhand', reason: 'audit finding 7' };
  const dry = await call('POST', '/v1/revocations', { ...selector, dry_run: true });
  expect(dry.body).toMatchObject({ dry_run: true, revoked_grants: 1, grant_ids: [body.id] });
  expect((await call('GET', `/v1/grants/${body.id}`)).body.status).toBe('active');
  const done = await call('POST', '/v1/revocations', selector);
  expect(done).toMatchObject({ status: 200, body: { dry_run: false, revoked_grants: 1, grant_ids: [body.id] } });
  expect((await call('GET', `/v1/grants/${body.id}`)).body).toMatchObject({
    status: 'revoked',
    revocation: { reason: 'audit finding 7', actor: 'tester', source_event_id: null },
  });
  const listed = await call('GET', '/v1/revocations?user_id=user_byhand');
  expect(listed.body.data).toMatchObject([
    { actor: 'tester', reason: 'audit finding 7', organization_id: 'org_byhand' },
  ]);
  expect(await call('POST', '/v1/reinstatements', selector)).toMatchObject({ status: 200, body: { closed: false } });
  expect((await grant('user_byhand', { organization_id: 'org_byhand' })).status).toBe(201);
  const audit = await call('GET', `/v1/audit?subject=${encodeURIComponent(done.body.scope)}`);
  expect(audit.body.data.map(({ action, actor }: Record<string, string>) => [action, actor])).toEqual([
    ['scope.opened', 'tester'],
    ['scope.closed', 'tester'],
  ]);
});

test('the offset moves only after the commit: while the database refuses, nothing is lost or set aside', async () => {
  await eventually(async () => (await lag()) === 0, { what: 'nothing is left' });
  await own.asAdmin('alter table grants.receipts rename to receipts_away');
  const said = now('user.deleted', { id: 'user_later' });
  await publish(said);
  await eventually(async () => (await lag()) === 1, { what: 'it has come' });
  const { body } = await call('GET', '/v1/set-aside?limit=500');
  expect(body.data).toEqual([]);
  expect((await check('user_later')).body.reason).toBe('no_grant');
  expect(await lag()).toBe(1);
  await own.asAdmin('alter table grants.receipts_away rename to receipts');
  await eventually(async () => (await check('user_later')).body.reason === 'user_deprovisioned', { what: 'applied' });
  await eventually(async () => (await lag()) === 0, { what: 'nothing is left' });
});

test('what cannot be read goes to the dead-letter topic and does not stop the partition; redrive sends it once', async () => {
  const letters = await follow(client, TOPICS.workosEventsDlq);
  const events = await follow(client, TOPICS.workosEvents);
  const bytes = Buffer.from('no event at all');
  await publisher.publish(TOPICS.workosEvents, { key: 'poison', value: bytes, headers: { trace: 't-1' } });
  await publish(now('user.deleted', { id: 'user_behind' }));
  await eventually(async () => (await check('user_behind')).body.reason === 'user_deprovisioned', {
    what: 'the next one is applied',
  });
  const letter = await eventually(() => letters.records[0], { what: 'a dead letter' });
  expect([String(letter.key), letter.value]).toEqual(['poison', bytes]);
  expect([String(letter.headers['trace']), String(letter.headers['rescind-reason'])]).toEqual([
    't-1',
    'record_malformed',
  ]);

  const { body } = await call('GET', '/v1/set-aside?status=waiting');
  expect(body.data).toMatchObject([{ reason: 'record_malformed', status: 'waiting', topic: 'workos.events' }]);
  const { id } = body.data[0];
  const before = events.records.length;
  const first = await call('POST', `/v1/set-aside/${id}/redrive`);
  expect(first).toMatchObject({ status: 200, body: { status: 'redriven', redriven_by: 'tester' } });
  expect(await call('POST', `/v1/set-aside/${id}/redrive`)).toEqual(first);
  const copy = await eventually(() => events.records.slice(before).find(({ key }) => String(key) === 'poison'), {
    what: 'it came again',
  });
  expect([copy.value, String(copy.headers['trace'])]).toEqual([bytes, 't-1']);
  await eventually(
    async () => {
      const waiting = await call('GET', '/v1/set-aside?status=waiting');
      return waiting.body.data.length === 1 && waiting.body.data[0].id !== id;
    },
    { what: 'it is set aside again' },
  );
  expect(events.records.slice(before).filter(({ key }) => String(key) === 'poison')).toHaveLength(1);
  const rest = await call('POST', '/v1/set-aside/redrive', { reason: 'record_malformed' });
  expect(rest.body).toEqual({ reason: 'record_malformed', redriven: 1 });
  await letters.close();
  await events.close();
});

test('a person appears by signing in; a deleted one does not come back', async () => {
  const signIn = (user_id: string, at: string) =>
    publishEvent(TOPICS.signIns, user_id, SIGN_IN_TYPE, {
      provider_id: PROVIDER,
      user_id,
      session_id: `session_of_${user_id}`,
      email: `${user_id}@example.test`,
      at,
      seen_by: 'portal',
    });
  await signIn('user_new', '2026-03-01T10:00:00.000Z');
  await eventually(async () => (await call('GET', '/v1/users?q=user_new@')).body.data.length === 1, {
    what: 'appears',
  });
  await publish(now('user.deleted', { id: 'user_new' }));
  await eventually(async () => (await call('GET', '/v1/users/user_new')).body.status === 'deleted', {
    what: 'deleted',
  });
  await signIn('user_new', '2026-03-02T10:00:00.000Z');
  await signIn('user_newer', '2026-03-02T10:00:00.000Z');
  await eventually(async () => (await call('GET', '/v1/users/user_newer')).status === 200, { what: 'the later one' });
  const { body } = await call('GET', '/v1/users/user_new');
  expect(body).toMatchObject({ status: 'deleted', email: 'user_new@example.test' });
  expect(body.sessions).toMatchObject([{ id: 'session_of_user_new' }]);
});

test('what WorkOS said is kept, with what came of it', async () => {
  const said = now('nobody.knows.this', { id: 'x', note: 'kept \0 as it is' });
  await publish(said);
  const kept = await eventually(
    async () => {
      const { status, body } = await call('GET', `/v1/events/${said.id}`);
      return status === 200 && body;
    },
    { what: 'kept' },
  );
  expect(kept).toMatchObject({ type: 'nobody.knows.this', outcome: 'unknown_type', event: said });
  const { body } = await call('GET', '/v1/events?limit=1');
  expect(body.data).toHaveLength(1);
  expect(body.next_cursor).toEqual(expect.any(String));
});

test('OpenAPI names every route', async () => {
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as { openapi: string; paths: object };
  expect(document.openapi).toBe('3.1.0');
  expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(['/v1/grants', '/v1/access/check', '/v1/audit']));
});

test('without the database nothing is allowed, and it comes back by itself', async () => {
  await grant('user_away');
  const name = new URL(own.url).pathname.slice(1);
  const admin = await ownDatabase();
  try {
    await all(admin.database, `alter database ${name} allow_connections false`);
    await all(admin.database, `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1`, [name]);
    expect(await check('user_away')).toMatchObject({ status: 503, body: { code: 'database_unavailable' } });
    const ready = await fetch(`${url}/health/ready`);
    expect([ready.status, ((await ready.json()) as { missing: object }).missing]).toMatchObject([
      503,
      { database: expect.any(String) },
    ]);
  } finally {
    await all(admin.database, `alter database ${name} allow_connections true`);
    await admin.drop();
  }
  await eventually(async () => (await check('user_away')).body.allowed === true, { what: 'allowed again' });
  await eventually(async () => (await fetch(`${url}/health/ready`)).status === 200, { what: 'ready again' });
});
