import { spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { API_KEY_USE_TYPE } from '#contracts/api-key.js';
import { OTHER_WORKOS_EVENTS, RECORD_KINDS } from '#contracts/record-kinds.js';
import { type Topic, TOPICS } from '#contracts/topics.js';
import { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import type { ConsumedRecord } from '#kafka/record.js';
import { TopicReader } from '#kafka/topic-reader.js';
import {
  arrivals,
  HISTORY_SPAN_MS,
  HISTORY_START,
  histories,
  ORGANIZATIONS,
  type RawEvent,
  SESSIONS,
  USERS,
} from '#testing/histories.js';
import { isVoidByEvents } from '#testing/oracle.js';
import type { StackFile } from '#testing/stack-file.js';
import { problemsOf } from '../contract/described-record.js';
import { Client, untilAnswer, type Json, type Person } from './client.js';
import { TestStack } from './stack.js';

/** What the journeys below do not bring about, or not for sure. */
const SELDOM = [OTHER_WORKOS_EVENTS.type, 'com.workos.organization.updated', API_KEY_USE_TYPE];

let running: TestStack;
let stack: StackFile;
let client: Client;
let kafka: KafkaClient;
const announced: Json[] = [];
let reader: TopicReader;

beforeAll(async () => {
  running = await TestStack.create();
  stack = await running.start();
  client = new Client(stack);
  kafka = new KafkaClient({ brokers: stack.kafkaBrokers.split(','), clientId: 'journey', topicPrefix: '' });
  reader = new TopicReader(kafka, {
    topics: [TOPICS.revocations],
    onRecords: (records) => {
      for (const { value } of records) announced.push((JSON.parse(String(value)) as { data: Json }).data);
    },
  });
  await reader.start();
}, 300_000);

afterAll(async () => {
  await reader?.close();
  await kafka?.close();
  await running.stop();
  await running.remove();
}, 300_000);

const becomes = (token: string, verdict: string) =>
  untilAnswer(
    () => client.verdict(token),
    (answer) => answer === verdict,
  );
const holder = ({ userId, organizationId, sessionId }: Person): Json => ({
  user_id: userId,
  organization_id: organizationId,
  session_id: sessionId,
});
const membership = ({ membershipId }: Person): string => `/user_management/organization_memberships/${membershipId}`;

describe('each signal is enough alone', () => {
  test.each([
    ['user_deprovisioned', (p: Person) => client.workos('DELETE', `/user_management/users/${p.userId}`)],
    ['membership_inactive', (p: Person) => client.workos('PUT', `${membership(p)}/deactivate`)],
    ['membership_deleted', (p: Person) => client.workos('DELETE', membership(p))],
    [
      'session_revoked',
      (p: Person) => client.workos('POST', '/user_management/sessions/revoke', { session_id: p.sessionId }),
    ],
    ['organization_deleted', (p: Person) => client.workos('DELETE', `/organizations/${p.organizationId}`)],
  ])('%s: refused, revoked, denied, announced', async (reason, end) => {
    const person = await client.person();
    const other = await client.person();
    await becomes(person.token, 'active');
    const grant = await client.makeGrant(holder(person));
    const kept = await client.makeGrant(holder(other));
    expect([grant.status, grant.body['status'], kept.status]).toEqual([201, 'active', 201]);
    expect(await client.allowed(person.userId, person.organizationId)).toBe(true);

    await end(person);

    await becomes(person.token, reason);
    const revoked = await untilAnswer(
      () => client.grantOf(String(grant.body['id'])),
      (answer) => answer['status'] === 'revoked' && (answer['revocation'] as Json)['reason'] === reason,
    );
    expect(revoked['revoked_at']).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
    expect((revoked['revocation'] as Json)['source_event_id']).toMatch(/^event_/);
    expect(await client.allowed(person.userId, person.organizationId)).toBe(false);
    await untilAnswer(
      async () => announced,
      (all) =>
        all.some(
          (data) =>
            data['reason'] === reason &&
            [person.userId, person.sessionId, person.organizationId].some((id) =>
              [data['user_id'], data['session_id'], data['organization_id']].includes(id),
            ),
        ),
    );
    expect(await client.verdict(other.token)).toBe('active');
    expect((await client.grantOf(String(kept.body['id'])))['status']).toBe('active');
  });
});

describe('the command line', () => {
  const root = join(import.meta.dirname, '../..');
  const environment = (): NodeJS.ProcessEnv => ({
    ...process.env,
    RESCIND_PORTAL_URL: stack.portal,
    RESCIND_WEBHOOK_INGRESS_URL: stack.webhookIngress,
    RESCIND_GRANTS_URL: stack.grants,
    RESCIND_TOKEN_VERIFICATION_URL: stack.tokenVerification,
    RESCIND_SIGNALS_URL: stack.signals,
    RESCIND_API_KEY: stack.adminApiKey,
  });
  const start = (...args: string[]) =>
    spawn(process.execPath, [join(root, 'dist/tools/cli/src/bin.js'), ...args], {
      cwd: root,
      env: environment(),
      stdio: ['pipe', 'pipe', 'inherit'],
    });
  /** Its exit code, and what it says as JSON. */
  async function rescind(args: string[], stdin = ''): Promise<{ code: number; said: Json }> {
    const child = start(...args, '--json');
    child.stdin.end(stdin);
    const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'exit') as Promise<[number]>]);
    return { code, said: JSON.parse(said) as Json };
  }

  test('status and doctor find everything right, and the webhook used', async () => {
    const person = await client.person();
    await becomes(person.token, 'active');
    expect(await rescind(['status'])).toMatchObject({ code: 0, said: { ready: true, signals: { refused: 0 } } });
    // What was delivered is told within seconds.
    const found = await untilAnswer(
      () => rescind(['doctor']),
      ({ said }) => JSON.stringify(said).includes('The last delivery came in'),
    );
    expect(found).toMatchObject({ code: 0, said: { problems: 0, unknown: 0 } });
  });

  test('revoke ends somebody’s access, verify-token says so, tail has told it', async () => {
    const person = await client.person();
    await becomes(person.token, 'active');
    const { body: grant } = await client.makeGrant(holder(person));
    expect((await rescind(['verify-token'], person.token)).code).toBe(0);
    expect((await rescind(['user', person.userId])).said).toMatchObject({ id: person.userId, grants: { active: 1 } });

    const tail = start('tail', '--json');
    let told = '';
    tail.stdout.on('data', (chunk: Buffer) => (told += chunk));
    try {
      // It begins at what is newest: whether it has begun is seen by revocations of nobody, one after the other.
      let probes = 0;
      await untilAnswer(
        async () => {
          await rescind([
            'revoke',
            '--user',
            `user_probe_${probes++}`,
            '--provider',
            stack.provider.id,
            '--reason',
            'probe',
            '--yes',
          ]);
          return told;
        },
        (all) => all.includes('user_probe_'),
      );
      const revoke = ['revoke', '--user', person.userId, '--provider', stack.provider.id, '--reason', 'lost laptop'];
      expect(await rescind(revoke)).toMatchObject({ code: 0, said: { dry_run: true, revoked_grants: 1 } });
      expect(await client.verdict(person.token)).toBe('active');
      expect(await rescind([...revoke, '--yes'])).toMatchObject({ code: 0, said: { dry_run: false } });
      await becomes(person.token, 'lost laptop');
      expect(await rescind(['verify-token'], person.token)).toMatchObject({ code: 1, said: { reason: 'lost laptop' } });
      expect((await client.grantOf(String(grant['id'])))['status']).toBe('revoked');
      await untilAnswer(
        () => Promise.resolve(told),
        (all) => all.split('\n').some((line) => line.includes(person.userId) && line.includes('lost laptop')),
      );
    } finally {
      tail.kill('SIGKILL');
    }
  });
});

test('a deleted person gets nothing new, and is not made again by a late event', async () => {
  const person = await client.person();
  await becomes(person.token, 'active');
  await client.workos('DELETE', `/user_management/users/${person.userId}`);
  await becomes(person.token, 'user_deprovisioned');
  const refused = await untilAnswer(
    () => client.makeGrant(holder(person)),
    ({ status }) => status !== 201,
  );
  expect([refused.status, refused.body['code']]).toEqual([409, 'principal_deprovisioned']);

  const late = { id: person.userId, object: 'user', email: person.email, first_name: 'Back', metadata: {} };
  const at = new Date(Date.now() + 60_000).toISOString();
  for (const event of ['user.created', 'user.updated']) {
    expect(
      await client.deliver({
        id: `event_late_${event}_${person.userId}`,
        object: 'event',
        event,
        data: late,
        created_at: at,
      }),
    ).toBe(200);
  }
  await untilAnswer(
    () => client.api('grants', 'GET', `/v1/events?limit=20`),
    ({ body }) => JSON.stringify(body).includes(`event_late_user.updated_${person.userId}`),
  );
  const user = (await client.api('grants', 'GET', `/v1/users/${person.userId}`)).body;
  expect([user['status'], user['deleted_at'] === null]).toEqual(['deleted', false]);
  expect(await client.verdict(person.token)).toBe('user_deprovisioned');
});

test('somebody who is deactivated and comes back: the old stays void, the new is good', async () => {
  const person = await client.person();
  await becomes(person.token, 'active');
  const old = await client.makeGrant(holder(person));
  await client.workos('PUT', `${membership(person)}/deactivate`);
  await becomes(person.token, 'membership_inactive');
  await client.workos('PUT', `${membership(person)}/reactivate`);
  const fresh = await client.signIn(person);
  // A token of the second of the closing is refused; the next one is not.
  const again = await untilAnswer(
    async () => ((await client.verdict(fresh.token)) === 'active' ? fresh : client.signIn(person)),
    () => true,
  );
  await untilAnswer(
    async () => {
      const session = await client.signIn(person);
      return client.verdict(session.token);
    },
    (verdict) => verdict === 'active',
  );
  expect(again.token).not.toBe(person.token);
  expect(await client.verdict(person.token)).toBe('membership_inactive');
  // grants reads the same events, and in its own time.
  await untilAnswer(
    () => client.grantOf(String(old.body['id'])),
    ({ status }) => status === 'revoked',
  );
  const young = await untilAnswer(
    () => client.makeGrant({ user_id: person.userId, organization_id: person.organizationId }),
    ({ status }) => status === 201,
  );
  expect((await client.grantOf(String(young.body['id'])))['status']).toBe('active');
});

test('a changed role ends old tokens, and leaves grants', async () => {
  const person = await client.person();
  await becomes(person.token, 'active');
  const grant = await client.makeGrant(holder(person));
  await client.workos('PUT', membership(person), { role_slug: 'admin' });
  await becomes(person.token, 'role_changed');
  expect((await client.grantOf(String(grant.body['id'])))['status']).toBe('active');
});

test('introspection and forward-auth say the same', async () => {
  const person = await client.person();
  await becomes(person.token, 'active');
  const { clientId, clientSecret } = stack.introspection;
  const introspect = async (token: string) =>
    (
      await fetch(`${stack.tokenVerification}/oauth2/introspect`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}` },
        body: new URLSearchParams({ token }),
      })
    ).json() as Promise<Json>;
  const forward = (token: string) =>
    fetch(`${stack.tokenVerification}/v1/forward-auth`, { headers: { authorization: `Bearer ${token}` } });
  expect(await introspect(person.token)).toMatchObject({ active: true, sub: person.userId, sid: person.sessionId });
  const let_ = await forward(person.token);
  expect([let_.status, let_.headers.get('x-auth-user'), let_.headers.get('x-auth-organization')]).toEqual([
    200,
    person.userId,
    person.organizationId,
  ]);
  await client.workos('DELETE', `/user_management/users/${person.userId}`);
  await becomes(person.token, 'user_deprovisioned');
  expect(await introspect(person.token)).toEqual({ active: false });
  const kept = await forward(person.token);
  expect(kept.status).toBe(401);
  expect(kept.headers.get('www-authenticate')).toContain('error="invalid_token"');
});

test('a record that nobody can read is set aside with its reason, stops nothing, and can be sent again', async () => {
  const publisher = new BatchPublisher(kafka);
  await publisher.start();
  const poison = `not an event ${randomBytes(6).toString('hex')}`;
  const person = await client.person();
  await becomes(person.token, 'active');
  // The same partition as the person's events: before them, in their way.
  await publisher.publish(TOPICS.workosEvents, { key: person.userId, value: Buffer.from(poison) });
  await client.workos('DELETE', `/user_management/users/${person.userId}`);
  await becomes(person.token, 'user_deprovisioned');
  await publisher.close();

  const dead: { value: string; headers: Record<string, unknown> }[] = [];
  const dlq = new TopicReader(kafka, {
    topics: [TOPICS.workosEventsDlq],
    onRecords: (records) => records.forEach(({ value, headers }) => dead.push({ value: String(value), headers })),
  });
  await dlq.start();
  await untilAnswer(
    async () => dead,
    (all) => all.some(({ value }) => value === poison),
  );
  await dlq.close();
  const { body } = await client.api('grants', 'GET', '/v1/set-aside');
  expect(JSON.stringify(body)).toContain('record_malformed');
});

test('a webhook that never came is repaired by the Events API, named, and certified', async () => {
  const person = await client.person();
  await becomes(person.token, 'active');
  await client.workos('POST', '/_sandbox/chaos', { drop: { probability: 1 } });
  try {
    await client.workos('DELETE', `/user_management/users/${person.userId}`);
    await becomes(person.token, 'user_deprovisioned');
    const named = await untilAnswer(
      async () => (await client.api('grants', 'GET', '/v1/missed-webhooks')).body['data'] as Json[],
      (missed) => missed.some(({ type, user_id }) => type === 'user.deleted' && user_id === person.userId),
    );
    const [one] = named.filter(({ type, user_id }) => type === 'user.deleted' && user_id === person.userId);
    await untilAnswer(
      async () => (await client.api('grants', 'GET', '/v1/completeness')).body['data'] as Json[],
      ([certificate]) => Date.parse(String(certificate?.['complete_up_to'])) > Date.parse(String(one!['occurred_at'])),
    );
  } finally {
    await client.workos('POST', '/_sandbox/chaos', { drop: {} });
  }
});

test('a valid token makes the person appear', async () => {
  const person = await client.person();
  await becomes(person.token, 'active');
  await untilAnswer(
    () => client.api('grants', 'GET', `/v1/users/${person.userId}`),
    ({ status }) => status === 200,
  );
});

describe('signals', () => {
  const servers: Server[] = [];
  afterAll(() => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });
  async function serve(answer: (url: string, body: string) => string): Promise<string> {
    const server = createServer((request, response) => {
      void text(request).then((body) => response.end(answer(request.url!, body)));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  test('an application without Kafka is told by webhook that somebody is gone', async () => {
    const told: Json[] = [];
    const url = await serve((_, body) => {
      told.push((JSON.parse(body) as { data: Json }).data);
      return '';
    });
    expect((await client.api('signals', 'POST', '/v1/streams', { kind: 'webhook', url })).status).toBe(201);
    const person = await client.person();
    await client.workos('DELETE', `/user_management/users/${person.userId}`);
    await untilAnswer(
      async () => told,
      (all) => all.some(({ user_id, reason }) => user_id === person.userId && reason === 'user_deprovisioned'),
    );
  });

  test.each(['pushed', 'polled'])('another transmitter ends a session, %s: its token is refused', async (how) => {
    const keys = generateKeyPairSync('rsa', { modulusLength: 2_048 });
    const jwk = { ...keys.publicKey.export({ format: 'jwk' }), kid: 'other', alg: 'RS256' };
    const sets: Record<string, string> = {};
    const issuer: string = await serve((url) => {
      if (url === '/poll') return JSON.stringify({ sets });
      return JSON.stringify(url === '/jwks' ? { keys: [jwk] } : { issuer, jwks_uri: `${issuer}/jwks` });
    });
    const poll = { endpoint_url: `${issuer}/poll`, authorization_header: 'Bearer of-the-stream' };
    const { body } = await client.api('signals', 'POST', '/v1/sources', {
      name: `other ${how}`,
      issuer,
      provider_id: stack.provider.id,
      ...(how === 'polled' ? { audience: 'us', poll } : {}),
    });
    const person = await client.person();
    await becomes(person.token, 'active');

    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = {
      iss: issuer,
      aud: body['audience'],
      jti: 'set_1',
      iat: Math.floor(Date.now() / 1_000),
      sub_id: {
        format: 'complex',
        user: { format: 'iss_sub', iss: stack.provider.issuer, sub: person.userId },
        session: { format: 'opaque', id: person.sessionId },
      },
      events: { 'https://schemas.openid.net/secevent/caep/event-type/session-revoked': {} },
    };
    const input = `${encode({ alg: 'RS256', kid: 'other', typ: 'secevent+jwt' })}.${encode(claims)}`;
    const set = `${input}.${sign('sha256', Buffer.from(input), keys.privateKey).toString('base64url')}`;
    if (how === 'polled') sets['set_1'] = set;
    else {
      const pushed = await fetch(String(body['push_url']), {
        method: 'POST',
        headers: { authorization: `Bearer ${String(body['push_token'])}`, 'content-type': 'application/secevent+jwt' },
        body: set,
      });
      expect(pushed.status).toBe(202);
    }
    await becomes(person.token, 'signal_received');
  });
});

describe('shuffled histories', () => {
  const keys = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const jwks = JSON.stringify({
    keys: [{ ...keys.publicKey.export({ format: 'jwk' }), kid: 'journey', use: 'sig', alg: 'RS256' }],
  });
  let server: Server;
  beforeAll(async () => {
    server = createServer((_request, response) => response.setHeader('content-type', 'application/json').end(jwks));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  const mint = (issuer: string, claims: Json): string => {
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const input = `${encode({ alg: 'RS256', kid: 'journey' })}.${encode({ iss: issuer, exp: 4_000_000_000, ...claims })}`;
    return `${input}.${sign('sha256', Buffer.from(input), keys.privateKey).toString('base64url')}`;
  };

  /** A provider of its own for each history, so that none knows of the others. */
  async function newProvider(
    index: number,
    settings: Json = {},
  ): Promise<{ id: string; issuer: string; url: string; secret: string }> {
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const issuer = `${base}/issuer/${randomBytes(6).toString('hex')}`;
    const made = await client.api('portal', 'POST', '/v1/identity-providers', {
      name: `history ${index}`,
      kind: 'workos',
      issuers: [issuer],
      jwks_uri: `${base}/jwks.json`,
      client_id: `client_${index}`,
      audience_policy: 'bound_by_keys',
      claim_mappings: { user_id: 'sub', organization_id: 'org_id', session_id: 'sid' },
      ...settings,
    });
    expect(made.status).toBe(201);
    const id = String(made.body['id']);
    const { body } = await client.api('portal', 'POST', `/v1/identity-providers/${id}/webhook`);
    return { id, issuer, url: String(body['url']), secret: String(body['secret']) };
  }

  const SEED = Number(process.env['JOURNEY_SEED'] ?? Date.now() % 2 ** 31);
  const cases = fc.sample(
    histories({ maxLength: 25 }).chain((history) => fc.tuple(fc.constant(history), arrivals(history))),
    {
      numRuns: 8,
      seed: SEED,
    },
  );
  beforeAll(() => console.info(`shuffled histories: JOURNEY_SEED=${SEED}`));

  test.each(cases.map((one, index) => [index, one] as const))(
    'history %i ends as its events say, in any order',
    async (index, [history, batches]) => {
      const provider = await newProvider(index);
      const own = (event: RawEvent): RawEvent => ({ ...event, id: `${event.id}_${provider.id}` });
      const mine = history.filter(({ event }) => event !== 'user.updated'); // this provider has no suspension rule
      // Its view of the endpoint comes with the topic: until then 404, and WorkOS would send again.
      for (const batch of batches) {
        await Promise.all(
          batch.map((event) =>
            untilAnswer(
              () => client.deliver(own(event), provider),
              (status) => status === 200,
            ),
          ),
        );
      }
      const wanted = new Set(history.map((event) => own(event).id));
      await untilAnswer(
        async () =>
          JSON.stringify((await client.api('grants', 'GET', `/v1/events?limit=500&provider_id=${provider.id}`)).body),
        (text) => [...wanted].every((id) => text.includes(id)),
      );
      for (const userId of USERS) {
        for (const organizationId of [undefined, ...ORGANIZATIONS]) {
          for (const sessionId of SESSIONS.slice(0, 2)) {
            for (const second of [-1, 5, 12, HISTORY_SPAN_MS / 1_000 + 1]) {
              const issuedAt = HISTORY_START + second * 1_000;
              const scopes = [
                `${provider.id}/user:${userId}`,
                ...(organizationId
                  ? [`${provider.id}/org:${organizationId}`, `${provider.id}/membership:${userId}:${organizationId}`]
                  : []),
                `${provider.id}/session:${sessionId}`,
              ];
              const isVoid = scopes.some((scope) =>
                isVoidByEvents(provider.id, scope, { kind: 'token', issuedAt }, mine),
              );
              const token = mint(provider.issuer, {
                sub: userId,
                org_id: organizationId,
                sid: sessionId,
                iat: issuedAt / 1_000,
              });
              expect([scopes, second, (await client.verify(token))['active']]).toEqual([scopes, second, !isVoid]);
            }
          }
        }
      }
    },
  );

  test('shadow mode: nothing ends, it is written down what would have, and it ends once the provider is enforced', async () => {
    const provider = await newProvider(99, { mode: 'shadow' });
    const grant = await untilAnswer(
      () => client.makeGrant({ provider_id: provider.id, user_id: 'user_s' }),
      ({ status }) => status === 201, // once grants has heard of the provider
    );
    const token = mint(provider.issuer, { sub: 'user_s', sid: 's', iat: Math.floor(Date.now() / 1_000) });
    const stays = mint(provider.issuer, { sub: 'user_t', sid: 't', iat: Math.floor(Date.now() / 1_000) });
    await becomes(token, 'active');
    const gone = {
      id: `event_${provider.id}`,
      event: 'user.deleted',
      data: { id: 'user_s' },
      created_at: new Date(Date.now() + 1_000).toISOString(),
    };
    await untilAnswer(
      () => client.deliver(gone, provider),
      (status) => status === 200,
    );
    const path = `/v1/shadow-revocations?provider_id=${provider.id}`;
    const { body } = await untilAnswer(
      () => client.api('grants', 'GET', path),
      (answer) => (answer.body['data'] as Json[]).length === 1,
    );
    expect((body['data'] as Json[])[0]).toMatchObject({
      scope: `${provider.id}/user:user_s`,
      reason: 'user_deprovisioned',
      source_event_id: gone.id,
      grants: 1,
      sent_again_at: null,
    });
    // Of the same key, so in the same partition and later: where this one is known, the other has been passed.
    const enforced = await newProvider(98);
    const behind = mint(enforced.issuer, { sub: 'user_s', sid: 's', iat: Math.floor(Date.now() / 1_000) });
    await untilAnswer(
      () => client.deliver({ ...gone, id: `event_${enforced.id}` }, enforced),
      (status) => status === 200,
    );
    await becomes(behind, 'user_deprovisioned');
    expect([await client.verdict(token), (await client.grantOf(String(grant.body['id'])))['status']]).toEqual([
      'active',
      'active',
    ]);

    const switched = await client.api('portal', 'PATCH', `/v1/identity-providers/${provider.id}`, { mode: 'enforced' });
    expect(switched.status).toBe(200);
    await becomes(token, 'user_deprovisioned');
    await untilAnswer(
      () => client.grantOf(String(grant.body['id'])),
      ({ status }) => status === 'revoked',
    );
    expect(await client.verdict(stays)).toBe('active');
    const back = await client.api('portal', 'PATCH', `/v1/identity-providers/${provider.id}`, { mode: 'shadow' });
    expect([back.status, back.body['code']]).toEqual([409, 'mode_locked']);
  });
});

describe('a process is killed', () => {
  /** Where Kafka or Postgres are given, or run in containers, they are not ours to kill. */
  const isOurs = (name: string): boolean => {
    if (stack.pids[name] === undefined) console.warn(`not tested: ${name} is no process of this stack`);
    return stack.pids[name] !== undefined;
  };

  test('token-verification gives the same answers afterwards', async () => {
    const gone = await client.person();
    const there = await client.person();
    await becomes(there.token, 'active');
    await client.workos('DELETE', `/user_management/users/${gone.userId}`);
    await becomes(gone.token, 'user_deprovisioned');
    await running.killAndAwait('tokenVerification');
    await becomes(there.token, 'active');
    expect(await client.verdict(gone.token)).toBe('user_deprovisioned');
  });

  test('grants: what came meanwhile is revoked when it is back', async () => {
    const person = await client.person();
    await becomes(person.token, 'active');
    const grant = await client.makeGrant(holder(person));
    expect(grant.status).toBe(201);
    const back = running.killAndAwait('grants');
    await client.workos('DELETE', `/user_management/users/${person.userId}`);
    await back;
    await untilAnswer(
      () => client.grantOf(String(grant.body['id'])),
      ({ status }) => status === 'revoked',
      60_000,
    );
  });

  test('webhook-ingress and Kafka: what got no 2xx comes again, and nothing is lost', async () => {
    if (!isOurs('kafka')) return;
    const people = await Promise.all(Array.from({ length: 10 }, () => client.person()));
    const back = [running.killAndAwait('kafka'), running.killAndAwait('webhookIngress')];
    const delivered = people.map(({ userId }) =>
      untilAnswer(
        () =>
          client.deliver({
            id: `event_killed_${userId}`,
            object: 'event',
            event: 'user.deleted',
            data: { id: userId },
            created_at: new Date().toISOString(),
          }),
        (status) => status === 200,
        60_000,
      ),
    );
    await Promise.all([...back, ...delivered]);
    for (const { token } of people) {
      await untilAnswer(
        () => client.verdict(token),
        (verdict) => verdict === 'user_deprovisioned',
        60_000,
      );
    }
  }, 300_000);

  test('Postgres: tokens are refused all the same, and grants follow', async () => {
    if (!isOurs('postgres')) return;
    const person = await client.person();
    await becomes(person.token, 'active');
    const grant = await client.makeGrant(holder(person));
    expect(grant.status).toBe(201);
    const back = running.killAndAwait('postgres');
    await client.workos('DELETE', `/user_management/users/${person.userId}`);
    await untilAnswer(
      () => client.verdict(person.token),
      (verdict) => verdict === 'user_deprovisioned',
      60_000,
    );
    await back;
    await untilAnswer(
      () => client.grantOf(String(grant.body['id'])),
      ({ status }) => status === 'revoked',
      60_000,
    );
  }, 300_000);
});

test('every record of every topic is a CloudEvent by the official SDK, and what its schema says', async () => {
  const issued = await client.api('portal', 'POST', '/v1/api-keys', { name: 'described', scopes: ['verify'] });
  expect(issued.status).toBe(201);
  const seen = new Set<string>();
  const problems = new Set<string>();
  const setAside = new Set<string>();
  const read = async (topics: Topic[], take: (record: ConsumedRecord, value: Buffer) => void): Promise<TopicReader> => {
    const whole = new TopicReader(kafka, {
      topics,
      onRecords: (records) => records.forEach((record) => record.value !== null && take(record, record.value)),
    });
    await whole.start();
    await whole.caughtUp;
    return whole;
  };
  await (await read([TOPICS.workosEventsDlq], (_, value) => setAside.add(String(value)))).close();
  const topics = Object.values(TOPICS).filter((topic) => topic !== TOPICS.workosEventsDlq);
  const reading = await read(topics, (record, value) => {
    if (setAside.has(String(value))) return;
    const { type, problems: found } = problemsOf({ ...record, value });
    seen.add(type);
    for (const problem of found) problems.add(`${record.topic} ${type}: ${problem}`);
  });
  // All that such a journey brings about, some of it a moment later; else nothing would have been checked.
  await untilAnswer(
    async () => RECORD_KINDS.map(({ type }) => type).filter((type) => !SELDOM.includes(type) && !seen.has(type)),
    (missing) => missing.length === 0,
    60_000,
  );
  await reading.close();
  expect([...problems]).toEqual([]);
});

test('no secret and no token is in any log', async () => {
  const person = await client.person();
  await becomes(person.token, 'active');
  const secrets = [
    stack.adminApiKey,
    stack.webhook.secret,
    stack.introspection.clientSecret,
    stack.provider.apiKey,
    person.token,
  ];
  for (const service of ['portal', 'webhookIngress', 'grants', 'tokenVerification']) {
    const log = await running.logs(service);
    expect(log.length).toBeGreaterThan(0);
    for (const secret of secrets) expect(log.includes(secret)).toBe(false);
  }
});
