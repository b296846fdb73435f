import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { TOPICS } from '#contracts/topics.js';
import { decodeWorkOSRecord } from '#contracts/workos-event.js';
import { TopicReader } from '#kafka/topic-reader.js';
import { Database } from '#platform/database.js';
import { createLogger } from '#platform/logging.js';
import { eventually } from '#testing/eventually.js';
import { SIGNALS_SCHEMA } from '../src/signals-schema.js';
import { SourceStreams } from '../src/sources/source-streams.js';
import { findTransmitter } from '../src/sources/transmitter.js';
import { Front } from './front.js';
import { PROVIDER, revocationOf, USERS_ISSUER } from './records.js';
import { ENCRYPTION_KEY, newPlace, type Place, publishRevocation, Signals } from './signals.js';
import { SsfTransmitter } from './ssf-transmitter.js';

/** Streams that we make ourselves, at a transmitter written from the standard alone and at one of our own; real Kafka and Postgres. */

const SESSION_REVOKED = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked';
const PURGED = 'https://schemas.openid.net/secevent/risc/event-type/account-purged';
const DISABLED = 'https://schemas.openid.net/secevent/risc/event-type/account-disabled';
const PUSH = 'urn:ietf:rfc:8935';
const POLL = 'urn:ietf:rfc:8936';
/** After the first, what is asked for in a test is asked for by the test. */
const NEVER_SECONDS = '1000000';

let place: Place;
let front: Front;
let signals: Signals;
let transmitter: SsfTransmitter;
let reader: TopicReader;
/** Id of a user → by how many events something of theirs was ended here. */
const ended = new Map<string, number>();

beforeAll(async () => {
  [place, front] = await Promise.all([newPlace(), Front.start()]);
  signals = new Signals(place, {
    SIGNALS_ISSUER: front.url,
    SOURCE_POLL_INTERVAL_MS: '100',
    SOURCE_VERIFICATION_SECONDS: NEVER_SECONDS,
  });
  await signals.start();
  front.to = signals.url;
  reader = new TopicReader(place.client, {
    topics: [TOPICS.workosEvents],
    onRecords: (records) => {
      for (const { value } of records) {
        const { user_id } = (decodeWorkOSRecord(value).event as { data: { user_id: string } }).data;
        ended.set(user_id, (ended.get(user_id) ?? 0) + 1);
      }
    },
  });
  await reader.start();
}, 240_000);
afterAll(async () => {
  await reader?.close();
  await signals?.stop();
  await front?.close();
  await place?.leave();
});

beforeEach(async () => {
  transmitter = await SsfTransmitter.start();
});
afterEach(async () => {
  const { body } = await signals.call('GET', '/v1/sources');
  for (const { id } of body.data) await signals.call('DELETE', `/v1/sources/${id}`);
  await transmitter.close();
});

type Given = Record<string, unknown>;
const connect = (stream: Given, more: Given = {}) =>
  signals.call('POST', '/v1/sources', {
    name: `source-${randomBytes(6).toString('hex')}`,
    issuer: transmitter.issuer,
    provider_id: PROVIDER,
    subject_issuers: [USERS_ISSUER],
    stream: { authorization_header: transmitter.authorization, ...stream },
    ...more,
  });
const connected = async (stream: Given, more: Given = {}) => {
  const { status, body } = await connect(stream, more);
  expect([status, body.code]).toEqual([201, undefined]);
  return body;
};
const read = async (id: string) =>
  (await signals.call('GET', '/v1/sources')).body.data.find((source: { id: string }) => source.id === id);
const answered = (id: string) =>
  eventually(
    async () => {
      const source = await read(id);
      return source.stream.answered_at !== null && source;
    },
    { what: 'the verification comes' },
  );
const sourcesLeft = async () => (await signals.call('GET', '/v1/sources')).body.data.length;
const purged = (user: string) => ({
  sub_id: { format: 'iss_sub', iss: USERS_ISSUER, sub: user },
  events: { [PURGED]: {} },
});
const CLIENT = { authorization_header: undefined, client_id: 'rescind', client_secret: 's:cret' };

test('what a transmitter can is found by its issuer alone, with where its tokens are given (RFC 9728)', async () => {
  const { status, body } = await signals.call('POST', '/v1/sources/discover', { issuer: transmitter.issuer });
  expect([status, body]).toEqual([
    200,
    {
      issuer: transmitter.issuer,
      spec_version: '1_0',
      delivery_methods: ['push', 'poll'],
      configuration_endpoint: `${transmitter.issuer}/streams`,
      status_endpoint: `${transmitter.issuer}/status`,
      verification_endpoint: `${transmitter.issuer}/verify`,
      default_subjects: 'ALL',
      token_url: `${transmitter.issuer}/token`,
      scope: 'ssf.read ssf.manage',
      events_requested: [SESSION_REVOKED, PURGED, DISABLED],
    },
  ]);
});

test('pushed: the stream is made, verified with its state, heard, and deleted with its source', async () => {
  const source = await connected({ method: 'push', ...CLIENT, token_url: `${transmitter.issuer}/token` });
  const [{ body: made, authorization }] = transmitter.askedTo('POST', '/streams').slice(-1) as unknown as [
    { body: Given; authorization: string },
  ];
  expect(authorization).toBe('Bearer token-1');
  expect(made).toEqual({
    delivery: {
      method: PUSH,
      endpoint_url: source.push_url,
      authorization_header: expect.stringMatching(/^Bearer rst_/),
    },
    events_requested: [SESSION_REVOKED, PURGED, DISABLED],
    description: `rescind ${source.id}`,
  });
  expect(source.push_url).toBe(`${front.url}/v1/sources/${source.id}/events`);
  expect(source).toMatchObject({
    audience: transmitter.audience,
    poll: null,
    stream: { stream_id: [...transmitter.streams.keys()][0], events_delivered: [SESSION_REVOKED] },
  });
  expect(source).not.toHaveProperty('push_token');
  // The first verification is asked for by itself.
  expect((await answered(source.id)).verified_at).not.toBeNull();
  expect(transmitter.askedTo('POST', '/verify')[0]!.body).toEqual({
    stream_id: source.stream.stream_id,
    state: expect.stringMatching(/^[\w-]{22}$/),
  });

  const pushed = await transmitter.sayOver(source.stream.stream_id, 'pushed', purged('pushed_user'));
  expect(pushed!.status).toBe(202);
  await eventually(() => ended.has('pushed_user'));

  const [stream] = transmitter.streams.values();
  expect((await signals.call('DELETE', `/v1/sources/${source.id}`)).status).toBe(204);
  expect(transmitter.streams.size).toBe(0);
  const late = await transmitter.push(stream!.delivery, await transmitter.sign('late', purged('late_user')));
  expect(late.status).toBe(401);
});

test('polled: it is asked at the endpoint that the transmitter answers, and for any of the audiences that it names', async () => {
  transmitter.saysOfStreams = { aud: [transmitter.audience, 'https://second.example.com'] };
  const source = await connected({ method: 'poll' });
  expect(transmitter.askedTo('POST', '/streams')[0]!.body.delivery).toEqual({ method: POLL });
  expect(source).toMatchObject({
    push_url: null,
    poll: { endpoint_url: `${transmitter.issuer}/poll` },
    stream: { audiences: [transmitter.audience, 'https://second.example.com'] },
  });
  await answered(source.id);
  await transmitter.sayOver(source.stream.stream_id, 'first', purged('first_user'));
  await transmitter.sayOver(source.stream.stream_id, 'second', {
    ...purged('second_user'),
    aud: 'https://second.example.com',
  });
  await eventually(() => transmitter.isSettled('first') && transmitter.isSettled('second'));
  await eventually(() => ended.has('first_user') && ended.has('second_user'));
  expect(transmitter.refused.size).toBe(0);
});

test('a verification with a state that nobody has asked with is refused, and proves nothing', async () => {
  const source = await connected({ method: 'push' });
  const { verified_at } = await answered(source.id);
  const refused = await transmitter.sayVerified(source.stream.stream_id, 'of somebody else');
  expect(refused).toMatchObject({ status: 400, body: expect.stringContaining('"invalid_state"') });
  expect((await read(source.id)).verified_at).toBe(verified_at);
  // Of itself the transmitter may verify too, and then says no state.
  expect((await transmitter.sayVerified(source.stream.stream_id))!.status).toBe(202);
  await eventually(async () => (await read(source.id)).verified_at !== verified_at);
});

test('asked for again: whether that one came is told apart from whether one came before', async () => {
  const source = await connected({ method: 'push' });
  await answered(source.id);
  const states: string[] = [];
  transmitter.manages = ({ path, body }, answer) => {
    if (path !== '/verify') return false;
    states.push(body.state);
    answer(204, {});
    return true;
  };
  for (let time = 0; time < 2; time++) {
    const { status, body } = await signals.call('POST', `/v1/sources/${source.id}/verification`);
    expect([status, body.stream.answered_at, body.stream.ask_error]).toEqual([202, null, null]);
    expect(body.stream.unanswered_since).not.toBeNull();
  }
  expect((await transmitter.sayVerified(source.stream.stream_id, states[0]))!.status).toBe(202);
  expect((await read(source.id)).stream).toMatchObject({ answered_at: null, unanswered_since: null });
  const metrics = await (await fetch(`${signals.url}/metrics`)).text();
  expect(metrics).toMatch(
    new RegExp(`rescind_signals_source_unverified_seconds\\{source="${source.name}",[^}]*\\} 0\\n`),
  );
  await transmitter.sayVerified(source.stream.stream_id, states[1]);
  await answered(source.id);
});

test('what is pushed while the stream is being made is to come again', async () => {
  transmitter.manages = async ({ method, path, body }) => {
    if (method !== 'POST' || path !== '/streams') return false;
    await transmitter.push(body.delivery, await transmitter.sign('early', purged('early_user')));
    return false;
  };
  await connected({ method: 'push' });
  expect(transmitter.pushed[0]).toMatchObject({ status: 503, body: expect.stringContaining('source_connecting') });
});

test('one stream alone, and there is one: it is named, and taken over if that is wanted', async () => {
  transmitter.allowsMany = false;
  const former = await connected({ method: 'poll' });
  const { stream_id } = former.stream;
  const { status, body } = await connect({ method: 'push' });
  expect([status, body.code, body.streams]).toEqual([
    409,
    'stream_exists',
    [{ stream_id, description: `rescind ${former.id}`, endpoint_url: `${transmitter.issuer}/poll` }],
  ]);
  expect(await sourcesLeft()).toBe(1);
  expect((await connect({ method: 'push', adopt: 'another' })).body.code).toBe('stream_unknown');
  // One that a source has is that one's: who removes the one would silence the other.
  expect((await connect({ method: 'push', adopt: stream_id })).body).toMatchObject({
    code: 'stream_in_use',
    detail: expect.stringContaining(former.name),
  });
  expect(transmitter.askedTo('PATCH', '/streams').map(({ body: { stream_id: id } }) => id)).toEqual(['another']);
  const stream = transmitter.streams.get(stream_id)!;
  await signals.call('DELETE', `/v1/sources/${former.id}`);
  transmitter.streams.set(stream_id, stream);

  const source = await connected({ method: 'push', adopt: stream_id });
  expect(transmitter.askedTo('PATCH', '/streams').at(-1)!.body).toMatchObject({
    stream_id,
    delivery: { method: PUSH, endpoint_url: source.push_url },
  });
  expect(source.stream.stream_id).toBe(stream_id);
  await answered(source.id);
});

const nowhere = 'http://169.254.169.254/streams';
test.each<[string, (one: SsfTransmitter) => Given | void, [number, string], RegExp]>([
  [
    'does not take our authorization',
    () => ({ authorization_header: 'Bearer no' }),
    [422, 'transmitter_authorization_refused'],
    /401/,
  ],
  [
    'gives us no token',
    (one) => ({ ...CLIENT, client_secret: 'no', token_url: `${one.issuer}/token` }),
    [422, 'transmitter_authorization_refused'],
    /token endpoint answered 401/,
  ],
  ['does not let us', refusing(403), [422, 'transmitter_authorization_refused'], /not enough to make the stream/],
  ['has trouble', refusing(500), [502, 'transmitter_failed'], /answered 500.* it is called rescind source_/],
  ['sends us elsewhere', refusing(302, { location: '/' }), [502, 'transmitter_unreachable'], /redirect/],
  [
    'does not push',
    (one) => void (one.says = { delivery_methods_supported: [POLL] }),
    [422, 'delivery_method_unsupported'],
    /can poll/,
  ],
  [
    'has no configuration',
    (one) => void (one.says = { issuer: 'https://other.example.com' }),
    [422, 'transmitter_unsuitable'],
    /other\.example\.com/,
  ],
  [
    'lets no streams be made',
    (one) => void (one.says = { configuration_endpoint: undefined }),
    [422, 'transmitter_unsuitable'],
    /by hand/,
  ],
  [
    'lives where nobody may go',
    (one) => void (one.says = { configuration_endpoint: nowhere }),
    [422, 'transmitter_not_allowed'],
    /not public/,
  ],
  [
    'makes a stream of another issuer',
    (one) => void (one.saysOfStreams = { iss: 'https://other.example.com' }),
    [502, 'transmitter_answer_invalid'],
    /another issuer/,
  ],
  [
    'makes a stream without an audience',
    (one) => void (one.saysOfStreams = { aud: [] }),
    [502, 'transmitter_answer_invalid'],
    /SSF 1\.0/,
  ],
  [
    'pushes elsewhere',
    (one) => void (one.saysOfStreams = { delivery: { method: PUSH, endpoint_url: 'https://other.example.com' } }),
    [502, 'transmitter_answer_invalid'],
    /otherwise/,
  ],
  [
    'delivers nothing that ends access',
    (one) => void (one.eventsSupported = []),
    [422, 'events_unsupported'],
    /session-revoked/,
  ],
])(
  'a transmitter that %s: nothing is left, here or there, and what to do is said',
  async (_, prepare, [status, code], words) => {
    const given = prepare(transmitter) ?? {};
    const answer = await connect({ method: 'push', ...given });
    expect([answer.status, answer.body.code, answer.body.detail]).toEqual([status, code, expect.stringMatching(words)]);
    expect(await sourcesLeft()).toBe(0);
    expect(transmitter.streams.size).toBe(0);
    expect(JSON.stringify(answer.body)).not.toMatch(/rst_|Bearer|s:cret/);
  },
);

function refusing(status: number, headers: Record<string, string> = {}) {
  return (one: SsfTransmitter): void => {
    one.manages = ({ method, path }, answer) => {
      if (method !== 'POST' || path !== '/streams') return false;
      answer(status, {}, headers);
      return true;
    };
  };
}

test('a poll endpoint where nobody may go is not polled, and the stream does not stay', async () => {
  transmitter.saysOfStreams = { delivery: { method: POLL, endpoint_url: nowhere } };
  expect((await connect({ method: 'poll' })).body.code).toBe('transmitter_answer_invalid');
  expect([transmitter.streams.size, await sourcesLeft()]).toEqual([0, 0]);
});

test('an audience that was agreed upon has to be that of the stream, and no other is taken then', async () => {
  const refused = await connect({ method: 'push' }, { audience: 'https://us.example.com' });
  expect([refused.status, refused.body.code, transmitter.streams.size]).toEqual([422, 'audience_unexpected', 0]);
  transmitter.saysOfStreams = { aud: ['https://us.example.com', transmitter.audience] };
  const source = await connected({ method: 'push' }, { audience: 'https://us.example.com' });
  expect(source.stream.audiences).toEqual(['https://us.example.com']);
  const other = await transmitter.sayOver(source.stream.stream_id, 'for the other', purged('other_user'));
  expect(other).toMatchObject({ status: 400, body: expect.stringContaining('invalid_audience') });
});

test('nothing on our own network is asked, unless that is allowed', async () => {
  const local = findTransmitter(transmitter.issuer, { allowLocalHosts: false });
  await expect(local).rejects.toMatchObject({ status: 422, code: 'transmitter_not_allowed' });
  const { body } = await signals.call('POST', '/v1/sources/discover', { issuer: 'http://169.254.169.254' });
  expect(body.code).toBe('transmitter_not_allowed');
  const { body: token } = await connect({ method: 'push', ...CLIENT, token_url: 'http://169.254.169.254/token' });
  expect([token.code, token.errors?.[0].field]).toEqual(['request_invalid', 'stream.token_url']);
  expect(transmitter.managed).toEqual([]);
});

test('the transmitter is away when its source is removed: the source goes, and it is said what stays there', async () => {
  const source = await connected({ method: 'push' });
  transmitter.manages = ({ method }, answer) => {
    if (method === 'DELETE') answer(503, {});
    return method === 'DELETE';
  };
  expect(await signals.call('DELETE', `/v1/sources/${source.id}`)).toEqual({
    status: 200,
    body: { stream_id: source.stream.stream_id, stream_left: 'It refuses to delete the stream: it answered 503.' },
  });
  expect(await sourcesLeft()).toBe(0);
});

test('how the stream stands is asked and kept; what is not there any more is said', async () => {
  const source = await connected({ method: 'push' });
  await answered(source.id);
  expect(await signals.call('GET', `/v1/sources/${source.id}/stream`)).toEqual({
    status: 200,
    body: { status: 'paused', reason: 'Maintenance' },
  });
  expect(await read(source.id)).toMatchObject({ stream_status: 'paused', stream_reason: 'Maintenance' });
  transmitter.manages = ({ path }, answer) => {
    if (path === '/verify') answer(429, {}, { 'retry-after': '60' });
    return path === '/verify';
  };
  const often = await signals.call('POST', `/v1/sources/${source.id}/verification`);
  expect([often.status, often.body.code]).toEqual([429, 'verification_too_often']);
  transmitter.manages = undefined;
  transmitter.streams.clear();
  const { status, body } = await signals.call('POST', `/v1/sources/${source.id}/verification`);
  expect([status, body.code]).toEqual([404, 'stream_unknown']);
  expect((await read(source.id)).stream).toMatchObject({
    answered_at: null,
    ask_error: expect.stringContaining('404'),
  });
  // One that is gone there may go here.
  expect((await signals.call('DELETE', `/v1/sources/${source.id}`)).status).toBe(204);
});

test('what it is shown is sealed, never told, and can be given anew, for the stream and for polling', async () => {
  const source = await connected({ method: 'poll' });
  transmitter.authorization = 'Bearer anew';
  const changed = await signals.call('PATCH', `/v1/sources/${source.id}`, {
    authorization: { authorization_header: transmitter.authorization },
  });
  expect(changed.status).toBe(200);
  await eventually(() => transmitter.requests.at(-1)?.authorization === 'Bearer anew', { what: 'polled as it is now' });
  expect((await signals.call('POST', `/v1/sources/${source.id}/verification`)).status).toBe(202);
  await answered(source.id);
  const list = await signals.call('GET', '/v1/sources');
  for (const body of [source, changed.body, list.body]) {
    expect(JSON.stringify(body)).not.toMatch(/of-the-stream|anew|"secret"|asked_states/);
  }
  const connection = new pg.Client({ connectionString: place.database.url });
  await connection.connect();
  const { rows } = await connection.query(
    'select s.*, p.secret as poll_secret from signals.source_streams s join signals.polled_sources p using (source_id)',
  );
  await connection.end();
  expect(rows).toHaveLength(1);
  expect(JSON.stringify(rows)).not.toMatch(/of-the-stream|anew/);

  const poll = { endpoint_url: `${transmitter.issuer}/poll`, authorization_header: 'Bearer x' };
  const codeOf = async (body: object) => (await signals.call('PATCH', `/v1/sources/${source.id}`, body)).body.code;
  expect([await codeOf({ poll }), await codeOf({ audience: 'x' })]).toEqual(['source_connected', 'source_connected']);
});

test('a source whose stream a person has made is not asked for what we have not made', async () => {
  const { body: source } = await signals.call('POST', '/v1/sources', {
    name: 'by hand',
    issuer: transmitter.issuer,
    provider_id: PROVIDER,
  });
  const path = `/v1/sources/${source.id}`;
  const answers = [
    await signals.call('POST', `${path}/verification`),
    await signals.call('GET', `${path}/stream`),
    await signals.call('PATCH', path, { authorization: { authorization_header: 'Bearer x' } }),
  ];
  expect(answers.map(({ status, body }) => [status, body.code])).toEqual(
    answers.map(() => [409, 'source_not_connected']),
  );
  // Whoever has made it may have it verified, with a state that we do not know.
  const endpoint = { method: PUSH, endpoint_url: source.push_url, authorization_header: `Bearer ${source.push_token}` };
  transmitter.streams.set('by hand', { stream_id: 'by hand', iss: '', aud: '', delivery: endpoint });
  const set = { aud: source.audience, sub_id: { format: 'opaque', id: 'by hand' } };
  const verified = await transmitter.sayOver('by hand', 'v', {
    ...set,
    events: { 'https://schemas.openid.net/secevent/ssf/event-type/verification': { state: 'theirs' } },
  });
  expect(verified!.status).toBe(202);
  expect((await read(source.id)).verified_at).not.toBeNull();
});

test('verifications are asked for again and again, and no oftener than the transmitter says', async () => {
  const seldom = await SsfTransmitter.start();
  seldom.saysOfStreams = { min_verification_interval: 1_000_000 };
  const often = await connected({ method: 'push' });
  const rare = await connected({ method: 'push' }, { issuer: seldom.issuer });
  await Promise.all([answered(often.id), answered(rare.id)]);
  // Another leader beside that of the service, which asks as often as it may.
  const database = new Database({ url: place.database.url, poolSize: 2, timeoutMs: 10_000 }, SIGNALS_SCHEMA);
  await database.start();
  const connection = new pg.Client({ connectionString: place.database.url });
  await connection.connect();
  await connection.query(`set search_path = ${SIGNALS_SCHEMA.name}`);
  const ending = new AbortController();
  const streams = new SourceStreams({
    database,
    encryption: [{ id: 'k1', key: Buffer.from(ENCRYPTION_KEY, 'base64') }],
    settings: { allowLocalHosts: true, deliveryTimeoutMs: 10_000, sourceVerificationSeconds: 0 },
    logger: createLogger('test', 'fatal'),
  });
  const leading = streams.lead(connection, ending.signal);
  try {
    await eventually(() => transmitter.pushed.length >= 3, { what: 'three verifications' });
    expect(seldom.askedTo('POST', '/verify')).toHaveLength(1);
    expect(new Set(transmitter.askedTo('POST', '/verify').map(({ body }) => body.state)).size).toBeGreaterThan(2);
  } finally {
    ending.abort();
    await leading;
    await connection.end();
    await database.close();
    await signals.call('DELETE', `/v1/sources/${rare.id}`);
    await seldom.close();
  }
});

test('a transmitter of our own: streams are made, verified, heard by push and by poll, and deleted', async () => {
  const there = await newPlace();
  const thereFront = await Front.start();
  const other = new Signals(there, { SIGNALS_ISSUER: thereFront.url });
  try {
    await other.start();
    thereFront.to = other.url;
    const audience = 'https://us.example.com';
    const { body: receiver } = await other.call('POST', '/v1/receivers', { name: 'us', audience });
    const { body: found } = await signals.call('POST', '/v1/sources/discover', { issuer: thereFront.url });
    expect(found).toMatchObject({ token_url: `${thereFront.url}/oauth2/token`, scope: 'ssf.read ssf.manage' });
    const client = { client_id: receiver.id, client_secret: receiver.key, authorization_header: undefined };
    const { token_url, scope } = found;
    const sources = [];
    for (const method of ['push', 'poll']) {
      const stream = { method, token_url, scope, ...client };
      const source = await connected(stream, { issuer: thereFront.url, audience });
      await answered(source.id);
      sources.push(source);
    }
    await publishRevocation(there, revocationOf({ user_id: 'user_there' }, 1, 'event_there'));
    // The same SET over two streams is two events.
    await eventually(() => ended.get('user_there') === 4, { what: 'what ends there ends here, over each stream' });
    for (const { id } of sources) {
      const { body } = await signals.call('GET', `/v1/sources/${id}/stream`);
      expect(body).toEqual({ status: 'enabled', reason: null });
      expect((await signals.call('DELETE', `/v1/sources/${id}`)).status).toBe(204);
    }
    expect((await other.call('GET', '/v1/streams')).body.data).toEqual([]);
  } finally {
    await other.stop();
    await thereFront.close();
    await there.leave();
  }
});
