import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { TOPICS } from '#contracts/topics.js';
import { decodeWorkOSRecord, type WorkOSEvent } from '#contracts/workos-event.js';
import { TopicReader } from '#kafka/topic-reader.js';
import { effectsOf } from '#revocation/effects.js';
import { keyOf } from '#revocation/scope.js';
import { eventually } from '#testing/eventually.js';
import { AT, PROVIDER, USERS_ISSUER } from './records.js';
import { newPlace, type Place, Signals } from './signals.js';

const SESSION_REVOKED = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked';
const RISC = 'https://schemas.openid.net/secevent/risc/event-type/';
const USER = { format: 'iss_sub', iss: USERS_ISSUER, sub: 'user_a' };

let place: Place;
let signals: Signals;
let transmitter: Transmitter;
let reader: TopicReader;
let source: { id: string; audience: string; push_token: string };
const events: WorkOSEvent[] = [];
/** As they are on the topic. */
const records: unknown[] = [];

type SigningKey = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];

const WEAK = generateKeyPairSync('rsa', { modulusLength: 1_024 });

/** Another transmitter: its configuration, its keys, and the SETs that it signs. */
class Transmitter {
  private constructor(
    readonly issuer: string,
    private readonly server: Server,
    private readonly key: SigningKey,
  ) {}

  static async start(): Promise<Transmitter> {
    const { publicKey, privateKey } = await generateKeyPair('RS256');
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256' };
    const server = createServer((request, response) => {
      const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/tenant`;
      const said: Record<string, object> = {
        '/.well-known/ssf-configuration/tenant': { issuer, jwks_uri: `${issuer}/jwks` },
        '/tenant/jwks': { keys: [jwk, { ...WEAK.publicKey.export({ format: 'jwk' }), kid: 'weak', alg: 'RS256' }] },
      };
      const body = said[request.url ?? ''];
      response.writeHead(body ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(body ?? {}));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Transmitter(`http://127.0.0.1:${(server.address() as AddressInfo).port}/tenant`, server, privateKey);
  }

  sign(claims: object, header: object = {}, key = this.key): Promise<string> {
    return new SignJWT({
      iss: this.issuer,
      aud: source.audience,
      jti: 'set_1',
      iat: Math.floor(Date.now() / 1000),
      ...claims,
    })
      .setProtectedHeader({ alg: 'RS256', kid: 'k1', typ: 'secevent+jwt', ...header })
      .sign(key);
  }

  /** With a key that is published, and that nobody should believe (RFC 7518, section 3.3). */
  signWeakly(claims: object): string {
    const segment = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const payload = { iss: this.issuer, aud: source.audience, jti: 'weak', iat: seconds, ...claims };
    const input = `${segment({ alg: 'RS256', kid: 'weak', typ: 'secevent+jwt' })}.${segment(payload)}`;
    return `${input}.${sign('sha256', Buffer.from(input), WEAK.privateKey).toString('base64url')}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

beforeAll(async () => {
  place = await newPlace();
  signals = new Signals(place);
  transmitter = await Transmitter.start();
  await signals.start();
  reader = new TopicReader(place.client, {
    topics: [TOPICS.workosEvents],
    onRecords: (read) => {
      records.push(...read.map(({ value }) => JSON.parse(value!.toString()) as unknown));
      events.push(...read.map(({ value }) => decodeWorkOSRecord(value).event));
    },
  });
  await reader.start();
  const created = await signals.call('POST', '/v1/sources', {
    name: 'other',
    issuer: transmitter.issuer,
    provider_id: PROVIDER,
  });
  expect(created.status).toBe(201);
  source = created.body;
}, 180_000);

afterAll(async () => {
  await reader?.close();
  await transmitter?.close();
  await signals.stop();
  await place.leave();
});

async function push(set: string, { token = source.push_token, type = 'application/secevent+jwt' } = {}) {
  const response = await fetch(`${signals.url}/v1/sources/${source.id}/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': type },
    body: set,
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>) };
}

const seconds = AT / 1000;
const eventOf = (type: string, subject: object = USER, more: object = {}) => ({
  sub_id: subject,
  toe: seconds,
  events: { [type]: more },
});
/** What an event does, as grants and token-verification will see it. */
const effectOf = (event: WorkOSEvent): unknown[] =>
  effectsOf(event).flatMap(({ scope, state, reason }) => [
    keyOf(scope),
    state.closedAt,
    state.openedAt,
    state.tokensBefore,
    reason,
  ]);

const NO = -Infinity;
const opaque = (id: string) => ({ format: 'opaque', id });
test.each([
  ['account-purged', `${RISC}account-purged`, USER, [`${PROVIDER}/user:user_a`, Infinity, NO, NO, 'signal_received']],
  ['account-disabled', `${RISC}account-disabled`, USER, [`${PROVIDER}/user:user_a`, AT, NO, NO, 'signal_received']],
  [
    'session-revoked of a session',
    SESSION_REVOKED,
    { format: 'complex', user: USER, session: opaque('session_a') },
    [`${PROVIDER}/session:session_a`, Infinity, NO, NO, 'signal_received'],
  ],
  [
    'session-revoked of a user: all tokens until then',
    SESSION_REVOKED,
    USER,
    [`${PROVIDER}/user:user_a`, NO, NO, AT, 'signal_received'],
  ],
  [
    'session-revoked of a user within a tenant',
    SESSION_REVOKED,
    { format: 'complex', user: USER, tenant: opaque('org_a') },
    [`${PROVIDER}/membership:user_a:org_a`, NO, NO, AT, 'signal_received'],
  ],
  [
    'a user by several names, of which one is known',
    SESSION_REVOKED,
    {
      format: 'aliases',
      identifiers: [
        { format: 'email', email: 'ada@example.com' },
        { format: 'iss_sub', iss: 'https://other.example.com', sub: 'user_x' },
        USER,
      ],
    },
    [`${PROVIDER}/user:user_a`, NO, NO, AT, 'signal_received'],
  ],
])('%s takes effect by the one rule', async (name, type, subject, expected) => {
  const set = await transmitter.sign({ jti: `effect ${name}`, ...eventOf(type, subject) });
  const before = events.length;
  expect(await push(set)).toEqual({ status: 202, body: undefined });
  await eventually(() => events.length > before, { what: 'the event' });
  expect(effectOf(events.at(-1)!)).toEqual(expected);
});

test('a SET that comes again is the same event again, and its own time counts', async () => {
  const claims = { jti: 'again', ...eventOf(`${RISC}account-disabled`, USER, { event_timestamp: seconds - 60 }) };
  const before = events.length;
  for (let time = 0; time < 3; time++) expect((await push(await transmitter.sign(claims))).status).toBe(202);
  await eventually(() => events.length === before + 3, { what: 'three records' });
  const same = events.slice(before);
  expect(new Set(same.map(({ id }) => id)).size).toBe(1);
  expect(new Set(same.map(({ occurredAt }) => occurredAt))).toEqual(new Set([AT - 60_000]));
});

test('it may be for several audiences; its jti and txn are kept with the event', async () => {
  const before = records.length;
  const aud = ['https://other.example.com', source.audience];
  await push(await transmitter.sign({ jti: 'for two', txn: 'txn_1', aud, ...eventOf(SESSION_REVOKED) }));
  await eventually(() => records.length > before);
  expect(records.at(-1)).toMatchObject({
    data: { data: { jti: 'for two', txn: 'txn_1', source_id: source.id, event_type: SESSION_REVOKED } },
  });
});

test.each([
  ['an e-mail address', { format: 'email', email: 'ada@example.com' }, 'email'],
  ['no subject', undefined, 'none'],
])('what ends something of %s, whom we cannot tell, is seen, and not of whom it was', async (name, sub_id, format) => {
  const { body: made } = await signals.call('POST', '/v1/sources', {
    name,
    issuer: transmitter.issuer,
    provider_id: PROVIDER,
  });
  const known = source;
  source = made;
  try {
    expect((await push(await transmitter.sign({ jti: name, events: { [SESSION_REVOKED]: {} }, sub_id }))).status).toBe(
      202,
    );
  } finally {
    source = known;
  }
  const { body } = await signals.call('GET', '/v1/sources');
  const view = body.data.find(({ id }: { id: string }) => id === made.id);
  expect(view).toMatchObject({ unknown_subject: format, unknown_subject_at: expect.any(String) });
  expect(JSON.stringify(view)).not.toContain('ada@');
});

test('what would be in the future has happened when it was said', async () => {
  const iat = Math.floor(Date.now() / 1000);
  const more = { event_timestamp: iat + 10 ** 7 };
  const before = events.length;
  await push(await transmitter.sign({ jti: 'future', iat, ...eventOf(`${RISC}account-disabled`, USER, more) }));
  await eventually(() => events.length > before);
  expect(events.at(-1)!.occurredAt).toBe(iat * 1000);
});

test.each([
  ['what lets somebody in', eventOf(`${RISC}account-enabled`)],
  [
    'a verification',
    { sub_id: opaque('stream'), events: { 'https://schemas.openid.net/secevent/ssf/event-type/verification': {} } },
  ],
  ['a type that nobody knows', eventOf('urn:example:event')],
  ['an e-mail address', eventOf(SESSION_REVOKED, { format: 'email', email: 'ada@example.com' })],
  ['a user of another issuer', eventOf(SESSION_REVOKED, { ...USER, iss: 'https://other.example.com' })],
  [
    'an account that is an organization',
    eventOf(`${RISC}account-purged`, { format: 'complex', tenant: opaque('org_a') }),
  ],
  ['a device of a user', eventOf(SESSION_REVOKED, { format: 'complex', user: USER, device: opaque('device_a') })],
])('%s is taken, and does nothing', async (name, claims) => {
  const before = events.length;
  expect((await push(await transmitter.sign({ jti: name, ...claims }))).status).toBe(202);
  // Something behind it, of the same key.
  await push(await transmitter.sign({ jti: `behind ${name}`, ...eventOf(SESSION_REVOKED) }));
  await eventually(() => events.length > before);
  expect(events.slice(before)).toHaveLength(1);
});

describe('hostile SETs', () => {
  const claims = eventOf(`${RISC}account-purged`);
  const unsigned = (): string => {
    const segment = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const payload = { iss: transmitter.issuer, aud: source.audience, jti: 'none', iat: seconds, ...claims };
    return `${segment({ alg: 'none', typ: 'secevent+jwt' })}.${segment(payload)}.`;
  };
  const byAnother = async (): Promise<string> => {
    const { privateKey } = await generateKeyPair('RS256');
    return transmitter.sign(claims, {}, privateKey);
  };
  const changed = async (): Promise<string> => {
    const [header, payload, signature] = (await transmitter.sign(claims)).split('.');
    const other = Buffer.from(payload!, 'base64url').toString().replace('user_a', 'user_b');
    return `${header}.${Buffer.from(other).toString('base64url')}.${signature}`;
  };
  const soon = Math.floor(Date.now() / 1000) + 86_400;
  test.each<[string, () => string | Promise<string>, string]>([
    ['typ of an access token', () => transmitter.sign(claims, { typ: 'at+jwt' }), 'invalid_request'],
    ['no typ', () => transmitter.sign(claims, { typ: undefined }), 'invalid_request'],
    ['alg none', unsigned, 'invalid_request'],
    ['signed by somebody else', byAnother, 'invalid_key'],
    ['a key that there is not', () => transmitter.sign(claims, { kid: 'k2' }), 'invalid_key'],
    ['changed on its way', changed, 'invalid_key'],
    ['signed with a key of 1024 bits', () => transmitter.signWeakly(claims), 'invalid_key'],
    [
      'for another audience',
      () => transmitter.sign({ ...claims, aud: 'https://other.example.com' }),
      'invalid_audience',
    ],
    ['of another issuer', () => transmitter.sign({ ...claims, iss: 'https://other.example.com' }), 'invalid_issuer'],
    ['with exp', () => transmitter.sign({ ...claims, exp: soon }), 'invalid_request'],
    ['with sub', () => transmitter.sign({ ...claims, sub: 'user_a' }), 'invalid_request'],
    ['without jti', () => transmitter.sign({ ...claims, jti: undefined }), 'invalid_request'],
    ['of tomorrow', () => transmitter.sign({ ...claims, iat: soon }), 'invalid_request'],
    ['two events', () => transmitter.sign({ ...claims, events: { a: {}, b: {} } }), 'invalid_request'],
    ['no event', () => transmitter.sign({ ...claims, events: {} }), 'invalid_request'],
    ['no JWT', () => 'nonsense', 'invalid_request'],
  ])('%s', async (_, make, err) => {
    const before = events.length;
    const { status, body } = await push(await make());
    expect([status, body]).toEqual([400, { err, description: expect.any(String) }]);
    expect(events).toHaveLength(before);
  });

  test('without the token of the source, and under another type of body', async () => {
    const set = await transmitter.sign(claims);
    expect(await push(set, { token: 'another' })).toMatchObject({
      status: 401,
      body: { err: 'authentication_failed' },
    });
    expect((await push(JSON.stringify({ set }), { type: 'application/json' })).body).toMatchObject({
      err: 'invalid_request',
    });
  });
});

test('where the keys cannot be had nothing is taken: it is to be sent again', async () => {
  const other = { name: 'unreachable', issuer: 'http://127.0.0.1:9', provider_id: PROVIDER };
  const { body } = await signals.call('POST', '/v1/sources', other);
  const known = source;
  source = body;
  try {
    const answer = await push(await transmitter.sign({ iss: other.issuer, ...eventOf(SESSION_REVOKED) }));
    expect([answer.status, answer.body?.['code']]).toEqual([503, 'keys_unavailable']);
  } finally {
    source = known;
  }
});
