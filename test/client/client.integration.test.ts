import { spawnSync } from 'node:child_process';
import { Kafka } from 'kafkajs';
import { type Claims, createRescind, kafkaSource, type Rescind, RescindUnknown, streamSource } from '#client/index.js';
import { encodeCloudEvent } from '#contracts/cloud-event.js';
import { REVOCATION_TYPE, SCOPE_STATE_TYPE } from '#contracts/revocation.js';
import { TOPICS } from '#contracts/topics.js';
import { eventually } from '#testing/eventually.js';
import { claimsOf, makeIssuer, providerOf, token } from '../../apps/token-verification/test/issuer.js';
import { recordOf } from '../../apps/token-verification/test/record-of.js';
import { API_KEY, RunningService } from '../../apps/token-verification/test/running-service.js';
import { addQuickStarts, EXAMPLES, installedPackage, printed, type RunningProgram, start } from './package.js';

const ours = makeIssuer('client_01QUICK', 'key_1');
const providerId = providerOf(ours).id;
let service: RunningService;
let installed: Awaited<ReturnType<typeof installedPackage>>;
const running: RunningProgram[] = [];
const opened: Rescind[] = [];

beforeAll(async () => {
  service = await RunningService.start({
    keys: { ours: [ours.jwk] },
    providers: (keysUrl) => [providerOf(ours, { jwks_uri: `${keysUrl}/ours` })],
    env: { MAX_STALENESS_MS: '5000' },
  });
  service.startBeating();
  installed = await installedPackage();
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((program) => program.stop()));
  await Promise.all(opened.splice(0).map((rescind) => rescind.close()));
});

afterAll(async () => {
  await installed?.remove();
  await service?.close();
});

const user = (sub: string, over: Claims = {}): Record<string, unknown> =>
  claimsOf(ours, Date.now(), { sub, exp: Math.floor(Date.now() / 1_000) + 3_600, ...over });
const leaves = (id: string): Promise<void> => service.happens(providerId, 'user.deleted', { id });

/** As the relay writes it. */
const closes = (userId: string): Promise<void> => {
  const scope = `${providerId}/user:${userId}`;
  const closing = { reason: 'user_deprovisioned', source_event_id: 'event_1', occurred_at: new Date().toISOString() };
  const data = {
    scope,
    provider_id: providerId,
    closed_at: 'infinity',
    opened_at: null,
    tokens_before: null,
    ...closing,
  };
  return service.publish(TOPICS.revocationState, scope, recordOf(SCOPE_STATE_TYPE, data));
};

const environment = (): Record<string, string> => ({
  RESCIND_URL: service.url,
  RESCIND_API_KEY: API_KEY,
  PROVIDER_ID: providerId,
  ISSUER: ours.issuer,
  JWKS_URI: `${service.keysUrl}/ours`,
  CLIENT_ID: ours.clientId,
  KAFKA_BROKERS: process.env['KAFKA_BROKERS']!,
  KAFKA_TOPIC_PREFIX: service.prefix,
  PORT: '0',
});

function started(command: string, args: string[], cwd = installed.folder): RunningProgram {
  const program = start(command, args, cwd, environment());
  running.push(program);
  return program;
}

function clientOf(source: Parameters<typeof createRescind>[0]['source']): Rescind {
  const providers = [{ id: providerId, issuers: [ours.issuer], jwksUri: `${service.keysUrl}/ours` }];
  const rescind = createRescind({ source, providers, maxStalenessMs: 2_000 });
  opened.push(rescind);
  return rescind;
}

/** Follows the service to wherever it is started again. */
const followed = (): ReturnType<typeof streamSource> =>
  streamSource({
    url: service.url,
    apiKey: API_KEY,
    fetch: (input, init) => fetch(new URL(new URL(String(input as URL)).pathname, service.url), init),
  });

test('the tarball is all that a service needs: with an empty folder and jose it judges tokens', async () => {
  const program = `
    import { createRescind, streamSource } from '@rescind/client';
    const { RESCIND_URL, RESCIND_API_KEY, PROVIDER_ID, ISSUER, JWKS_URI, TOKEN } = process.env;
    const rescind = createRescind({
      source: streamSource({ url: RESCIND_URL, apiKey: RESCIND_API_KEY }),
      providers: [{ id: PROVIDER_ID, issuers: [ISSUER], jwksUri: JWKS_URI }],
    });
    await rescind.ready(120_000);
    console.log('verdict: ' + JSON.stringify(await rescind.verify(TOKEN)));
    await rescind.close();`;
  const env = { ...environment(), TOKEN: token(ours, user('user_packed')) };
  const ran = start(process.execPath, ['--input-type=module', '-e', program], installed.folder, env);
  running.push(ran);
  const [, verdict] = await printed(ran, /verdict: (.*)\n/);
  expect(JSON.parse(verdict!)).toMatchObject({ kind: 'active', holder: { userId: 'user_packed', providerId } });
});

test('the quick starts of Express, Fastify and Nest: in, out when they leave, and nobody while it is not known', async () => {
  await addQuickStarts(installed.folder);
  const files = ['express.mjs', 'fastify.mjs', 'nest.js'];
  const urls = await Promise.all(
    files.map(
      async (file) =>
        `http://127.0.0.1:${(await printed(started(process.execPath, [file]), /listening on (\d+)/))[1]}/me`,
    ),
  );
  const all = (jwt: string | undefined): Promise<Response[]> =>
    Promise.all(
      urls.map((url) => fetch(url, jwt === undefined ? {} : { headers: { authorization: `Bearer ${jwt}` } })),
    );
  const become = (jwt: string | undefined, status: number): Promise<Response[]> =>
    eventually(async () => {
      const answers = await all(jwt);
      return answers.every((answer) => answer.status === status) && answers;
    });
  const [stays, goes] = ['user_stays', 'user_goes'].map((sub) => token(ours, user(sub))) as [string, string];

  for (const answer of await become(stays, 200)) expect(await answer.json()).toEqual({ user: 'user_stays' });
  await become(goes, 200);
  for (const answer of await become(undefined, 401)) expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  await leaves('user_goes');
  for (const answer of await become(goes, 401)) {
    expect(answer.headers.get('www-authenticate')).toContain('error_description="user_deprovisioned"');
  }
  await become(stays, 200);
  service.stopBeating();
  for (const answer of await become(stays, 503)) expect(answer.headers.get('retry-after')).toBe('1');
  service.startBeating();
  await become(stays, 200);
});

test('the stream: a service that was away tells what happened meanwhile before anything is said again', async () => {
  const rescind = clientOf(followed());
  await rescind.ready(60_000);
  expect(rescind.isRevoked(user('user_meanwhile'))).toBeUndefined();
  await service.stopService();
  await eventually(() => !rescind.isFresh());
  expect(() => rescind.isRevoked(user('user_meanwhile'))).toThrow(RescindUnknown);
  await leaves('user_meanwhile');
  await service.startService();
  await eventually(() => rescind.isFresh());
  expect(rescind.isRevoked(user('user_meanwhile'))).toMatchObject({ reason: 'user_deprovisioned' });
});

test('the stream: without providers of its own it takes those of the installation, and each change of them', async () => {
  const rescind = createRescind({ source: followed(), maxStalenessMs: 2_000 });
  opened.push(rescind);
  await rescind.ready(60_000);
  const jwt = token(ours, user('user_follows'));
  expect(await rescind.verify(jwt)).toMatchObject({ kind: 'active', holder: { providerId } });
  const provider = providerOf(ours, { jwks_uri: `${service.keysUrl}/ours` });
  await service.publishProvider({ ...provider, required_claims: ['nobody_has_it'] });
  await eventually(async () => {
    const verdict = await rescind.verify(jwt);
    return verdict.kind === 'refused' && verdict.reason === 'claim_missing';
  });
  await service.publishProvider(provider);
  await eventually(async () => (await rescind.verify(jwt)).kind === 'active');
});

test('as_of of an answer of the service: who waits for it knows all that the service knew', async () => {
  const rescind = clientOf(followed());
  await leaves('user_as_of');
  const answer = await eventually(async () => {
    const response = await fetch(`${service.url}/v1/tokens/verify`, {
      method: 'POST',
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({ token: token(ours, user('user_as_of')) }),
    });
    const body = (await response.json()) as { active?: boolean; as_of?: string };
    return body.active === false && body;
  });
  // A later proof than the answer's was made after the answer was.
  await rescind.atLeast(new Date(Date.parse(answer.as_of!) + 1).toISOString(), 60_000);
  expect(rescind.isRevoked(user('user_as_of'))).toMatchObject({ reason: 'user_deprovisioned' });
});

test('from Kafka: the quick start, and one who follows the revocations', async () => {
  await closes('user_gone');
  const quickStart = started(process.execPath, ['kafka.mjs', 'user_gone', 'user_here']);
  const subscriber = started(process.execPath, ['subscriber.mjs']);
  await printed(quickStart, /user_gone: user_deprovisioned\nuser_here: not revoked\n/);
  const scope = `${providerId}/user:user_gone`;
  const { value } = encodeCloudEvent({
    id: 'r1',
    source: '/grants',
    type: REVOCATION_TYPE,
    data: { scope, reason: 'x' },
  });
  await service.publish(TOPICS.revocations, scope, value);
  await printed(subscriber, /"scope":"[^"]*user_gone","reason":"x"/);
});

test.each([
  ['Python', 'python3', ['stream.py']],
  ['Go', 'go', ['run', 'stream.go']],
])('%s', async (language, command, args) => {
  if (spawnSync(command, [language === 'Go' ? 'version' : '--version']).status !== 0) {
    console.warn(`skipped: no ${command} on this machine`);
    return;
  }
  await closes('user_gone');
  const program = started(command, [...args, providerId, 'user_gone', 'user_here'], EXAMPLES);
  await printed(program, /user_gone: user_deprovisioned\nuser_here: not revoked\n/);
});

// The last one: what it says of events stays in the topic.
test('from Kafka: not known while events are not among the states, and then what they did', async () => {
  const kafka = new Kafka({ clientId: 'test', brokers: process.env['KAFKA_BROKERS']!.split(','), logLevel: 0 });
  const rescind = clientOf(kafkaSource({ kafka, topicPrefix: service.prefix }));
  await rescind.ready(60_000);
  expect(rescind.isRevoked(user('user_late'))).toBeUndefined();
  service.ends = { 0: '1000000' };
  await eventually(() => !rescind.isFresh());
  await closes('user_late');
  service.applied = service.ends;
  await rescind.ready(60_000);
  expect(rescind.isRevoked(user('user_late'))).toMatchObject({ reason: 'user_deprovisioned' });
});
