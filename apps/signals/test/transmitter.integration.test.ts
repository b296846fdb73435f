import { eventually } from '#testing/eventually.js';
import { revocationOf, stateOf, USERS_ISSUER } from './records.js';
import type { Receiver } from './receiver.js';
import { ISSUER, newPlace, type Place, publishRevocation, publishState, Signals } from './signals.js';

const PUSH = 'urn:ietf:rfc:8935';
const POLL = 'urn:ietf:rfc:8936';
const SESSION_REVOKED = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked';
const ACCOUNT_DISABLED = 'https://schemas.openid.net/secevent/risc/event-type/account-disabled';
const ACCOUNT_ENABLED = 'https://schemas.openid.net/secevent/risc/event-type/account-enabled';
const VERIFICATION = 'https://schemas.openid.net/secevent/ssf/event-type/verification';

let place: Place;
let signals: Signals;
const receivers: Receiver[] = [];
let count = 0;

beforeAll(async () => {
  place = await newPlace();
  signals = new Signals(place);
  await signals.start();
}, 180_000);

afterAll(async () => {
  await Promise.all(receivers.map((receiver) => receiver.close()));
  await signals.stop();
  await place.leave();
});

async function newReceiver(): Promise<Receiver & { id: string; key: string }> {
  const receiver = await signals.newReceiver(`receiver-${++count}`);
  receivers.push(receiver);
  return receiver;
}

/** A receiver with a stream that is pushed to it; of its own user alone, since every stream is told of everybody. */
async function pushed(more: object = {}) {
  const receiver = await newReceiver();
  const endpoint_url = await receiver.listen();
  const created = await receiver.createStream({
    delivery: { method: PUSH, endpoint_url, authorization_header: 'Bearer of-the-receiver' },
    ...more,
  });
  expect(created.status).toBe(201);
  const user = `user_${count}`;
  const ofUser = () => receiver.received.filter(({ claims }) => JSON.stringify(claims['sub_id']).includes(`"${user}"`));
  return { receiver, user, ofUser, stream: created.body, streamId: created.body.stream_id as string };
}

const typesOf = (sets: { type: string }[]): string[] => sets.map(({ type }) => type);

describe('CAEP Interoperability Profile 1.0', () => {
  test('2.3: the transmitter says what it is and can', async () => {
    const receiver = await newReceiver();
    const metadata = await receiver.discover();
    expect(metadata.spec_version).toBe('1_0');
    expect(metadata.issuer).toBe(ISSUER);
    expect(metadata.delivery_methods_supported.sort()).toEqual([PUSH, POLL]);
    expect(metadata.authorization_schemes).toContainEqual({ spec_urn: 'urn:ietf:rfc:6749' });
    expect(metadata.default_subjects).toBe('ALL');
    for (const endpoint of ['configuration', 'status', 'verification', 'add_subject', 'remove_subject'] as const) {
      expect(metadata[`${endpoint}_endpoint`]).toMatch(/^https:\/\/signals\.example\.com\//);
    }
    const { body } = await receiver.http('GET', metadata.jwks_uri);
    expect(body.keys).toHaveLength(1);
    expect(body.keys[0]).toMatchObject({ kty: 'RSA', alg: 'RS256', use: 'sig' });
    // 2.6: at least 2048 bits; and nothing private.
    expect(Buffer.from(body.keys[0].n, 'base64url').length).toBeGreaterThanOrEqual(256);
    expect(Object.keys(body.keys[0]).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
  });

  test('2.3.7: streams are made with either method, read, changed, replaced and ended', async () => {
    const receiver = await newReceiver();
    const endpoint = receiver.metadata.configuration_endpoint;
    expect((await receiver.http('GET', endpoint)).body).toEqual([]);
    const polled = (await receiver.createStream({})).body;
    expect(polled.delivery).toEqual({ method: POLL, endpoint_url: `${ISSUER}/ssf/poll/${polled.stream_id}` });
    expect(polled).toMatchObject({ iss: ISSUER, aud: receiver.audience, events_delivered: polled.events_supported });
    const delivery = { method: PUSH, endpoint_url: 'http://127.0.0.1:9/events' };
    const created = await receiver.createStream({
      delivery: { ...delivery, authorization_header: 'Bearer secret' },
      events_requested: [SESSION_REVOKED, 'urn:example:unknown'],
      description: 'for the test',
    });
    expect(created.status).toBe(201);
    const pushedTo = created.body;
    expect(pushedTo).toMatchObject({ delivery, events_delivered: [SESSION_REVOKED], description: 'for the test' });
    expect(JSON.stringify(pushedTo)).not.toContain('secret');
    expect((await receiver.http('GET', endpoint)).body).toEqual([polled, pushedTo]);

    const { stream_id } = pushedTo;
    const changed = await receiver.http('PATCH', endpoint, { ...pushedTo, delivery: undefined, description: 'other' });
    expect(changed.body).toEqual({ ...pushedTo, description: 'other' });
    const forged = await receiver.http('PATCH', endpoint, { stream_id, aud: 'https://somebody-else.example.com' });
    expect([forged.status, forged.body.code]).toEqual([400, 'transmitter_supplied']);
    const replaced = await receiver.http('PUT', endpoint, { stream_id, delivery });
    expect(replaced.body.description).toBeUndefined();
    expect(replaced.body.events_delivered).toEqual(polled.events_supported);

    expect((await receiver.http('DELETE', `${endpoint}?stream_id=${stream_id}`)).status).toBe(204);
    expect((await receiver.http('GET', `${endpoint}?stream_id=${stream_id}`)).status).toBe(404);
    expect((await receiver.http('GET', endpoint)).body).toEqual([polled]);
  });

  test('2.3.7, 2.5, 2.6, 2.8, 3.1: what was revoked is pushed as signed SETs, each with one event', async () => {
    const { receiver, user, ofUser } = await pushed();
    await publishRevocation(place, revocationOf({ user_id: user }, 10, `event_${user}`));
    const [session, account] = await eventually(() => ofUser().length >= 2 && ofUser(), { what: 'two SETs' });
    expect(session!.header).toEqual({ alg: 'RS256', typ: 'secevent+jwt', kid: expect.any(String) });
    expect(session!.claims).toMatchObject({
      iss: ISSUER,
      aud: receiver.audience,
      txn: `event_${user}`,
      sub_id: { format: 'iss_sub', iss: USERS_ISSUER, sub: user },
    });
    expect(session!.type).toBe(SESSION_REVOKED);
    expect(session!.event).toMatchObject({ reason_admin: { en: 'user_suspended' }, initiating_entity: 'system' });
    expect(account!.type).toBe(ACCOUNT_DISABLED);
    expect(receiver.requests[0]).toEqual({
      contentType: 'application/secevent+jwt',
      authorization: 'Bearer of-the-receiver',
    });
  });

  test('2.3.5: a stream is verified with the state that was asked for, pushed and polled', async () => {
    const { receiver, streamId } = await pushed();
    expect((await receiver.verify(streamId, 'the state')).status).toBe(204);
    const isVerification = ({ type }: { type: string }): boolean => type === VERIFICATION;
    const set = await eventually(() => receiver.received.find(isVerification), { what: 'the verification event' });
    expect(set.event).toEqual({ state: 'the state' });
    expect(set.claims['sub_id']).toEqual({ format: 'opaque', id: streamId });

    const polling = await newReceiver();
    const stream = (await polling.createStream({ delivery: { method: POLL } })).body;
    expect((await polling.verify(stream.stream_id)).status).toBe(204);
    await eventually(async () => (await polling.poll(stream.delivery.endpoint_url)).jtis.length > 0);
    expect(polling.received.find(isVerification)!.event).toEqual({});
  });

  test('2.7: a token for the key, with scopes; none in the query', async () => {
    const receiver = await newReceiver();
    const { body: server } = await receiver.http('GET', `${ISSUER}/.well-known/oauth-authorization-server`);
    const token = async (scope: string, secret = receiver.key) => {
      const response = await fetch(server.token_endpoint.replace(ISSUER, signals.url), {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(`${receiver.id}:${secret}`).toString('base64')}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
      });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    expect(await token('ssf.read', 'another')).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
    expect(await token('ssf.everything')).toMatchObject({ status: 400, body: { error: 'invalid_scope' } });
    const reading = await token('ssf.read');
    expect(reading.body).toMatchObject({ token_type: 'Bearer', scope: 'ssf.read' });
    expect(reading.body['expires_in']).toBeLessThanOrEqual(3_600);
    const endpoint = receiver.metadata.configuration_endpoint;
    const toRead = reading.body['access_token'] as string;
    const toManage = (await token('ssf.manage')).body['access_token'] as string;
    expect((await receiver.http('GET', endpoint, undefined, toRead)).status).toBe(200);
    const refused = await receiver.http('POST', endpoint, {}, toRead);
    expect(refused.status).toBe(403);
    expect(refused.headers.get('www-authenticate')).toContain('error="insufficient_scope"');
    expect((await receiver.http('POST', endpoint, {}, toManage)).status).toBe(201);
    expect((await receiver.http('GET', `${endpoint}?access_token=${toManage}`, undefined, '')).status).toBe(401);
    const forged = `${toRead.split('.').slice(0, 2).join('.')}.${toManage.split('.')[2]}`;
    expect((await receiver.http('GET', endpoint, undefined, forged)).status).toBe(401);

    expect((await signals.call('DELETE', `/v1/receivers/${receiver.id}`)).status).toBe(204);
    expect((await receiver.http('GET', endpoint, undefined, toManage)).status).toBe(401);
    expect((await receiver.http('GET', endpoint)).status).toBe(401);
  });
});

test('who is let in again is told of, after it was known to be shut out', async () => {
  const { user, ofUser } = await pushed({ events_requested: [ACCOUNT_DISABLED, ACCOUNT_ENABLED] });
  await publishRevocation(place, revocationOf({ user_id: user }, 10, `event_${user}`));
  await eventually(() => ofUser().length === 1, { what: 'account-disabled' });
  const closed = { closed_at: revocationOf({}, 10, '').closed_at, reason: 'user_suspended' };
  const state = stateOf({ user_id: user }, { ...closed, opened_at: revocationOf({}, 20, '').closed_at });
  await publishState(place, state);
  await publishState(place, state);
  await eventually(() => ofUser().length === 2, { what: 'account-enabled' });
  expect(typesOf(ofUser())).toEqual([ACCOUNT_DISABLED, ACCOUNT_ENABLED]);
});

test('the canary is nobody, and nobody is told', async () => {
  const { receiver, user, ofUser } = await pushed();
  const canary = revocationOf({ session_id: 'session_canary' }, 10, 'event_canary');
  await publishRevocation(place, { ...canary, provider_id: 'rescind-canary', scope: 'rescind-canary/session:s' });
  await publishRevocation(place, revocationOf({ user_id: user }, 10, `event_${user}`));
  await eventually(() => ofUser().length === 2, { what: 'the revocation behind it' });
  expect(JSON.stringify(receiver.received.map(({ claims }) => claims))).not.toContain('canary');
});

test('a receiver sees, changes and acknowledges its own streams alone', async () => {
  const mine = await newReceiver();
  const other = await newReceiver();
  const stream = (await mine.createStream({})).body;
  const { stream_id } = stream;
  const { configuration_endpoint: streams, add_subject_endpoint: add } = mine.metadata;
  const subject = { format: 'iss_sub', iss: USERS_ISSUER, sub: 'user_x' };
  const answers = [
    await other.http('GET', `${streams}?stream_id=${stream_id}`),
    await other.http('PATCH', streams, { stream_id, description: 'mine now' }),
    await other.http('PUT', streams, { stream_id }),
    await other.http('DELETE', `${streams}?stream_id=${stream_id}`),
    await other.status(stream_id),
    await other.status(stream_id, 'disabled'),
    await other.verify(stream_id),
    await other.http('POST', add, { stream_id, subject }),
    await other.http('POST', stream.delivery.endpoint_url, { returnImmediately: true }),
  ];
  expect(answers.map(({ status, body }) => [status, body.code])).toEqual(answers.map(() => [404, 'stream_unknown']));
  expect((await other.http('GET', streams)).body).toEqual([]);
  expect((await mine.http('GET', `${streams}?stream_id=${stream_id}`)).body).toEqual(stream);
  expect((await mine.http('GET', streams, undefined, 'not-a-key')).headers.get('www-authenticate')).toContain(
    'invalid_token',
  );

  // Of the same event each has a SET of its own, and nobody can acknowledge another's.
  const others = (await other.createStream({})).body;
  await publishRevocation(place, revocationOf({ session_id: `session_${count}` }, 10, `event_session_${count}`));
  await eventually(async () => (await mine.poll(stream.delivery.endpoint_url)).jtis.length === 1);
  await eventually(async () => (await other.poll(others.delivery.endpoint_url)).jtis.length === 1);
  const [ours] = mine.received;
  const [theirs] = other.received;
  expect(ours!.jti).not.toBe(theirs!.jti);
  await other.poll(others.delivery.endpoint_url, { ack: [ours!.jti, 'never-sent'] });
  expect((await mine.poll(stream.delivery.endpoint_url)).jtis).toEqual([ours!.jti]);
  expect((await other.poll(others.delivery.endpoint_url)).jtis).toEqual([theirs!.jti]);
  expect((await other.poll(others.delivery.endpoint_url, { ack: [theirs!.jti] })).jtis).toEqual([]);
  expect((await mine.poll(stream.delivery.endpoint_url)).jtis).toEqual([ours!.jti]);
});

test('polling: one SET of each subject, what is not acknowledged comes again, what is refused does not', async () => {
  const receiver = await newReceiver();
  const { delivery } = (await receiver.createStream({ events_requested: [SESSION_REVOKED] })).body;
  const poll = (body: object = {}) => receiver.poll(delivery.endpoint_url, body);
  const users = [`user_poll_a_${count}`, `user_poll_b_${count}`];
  for (const second of [1, 2]) {
    for (const user of users) {
      await publishRevocation(place, revocationOf({ user_id: user }, second, `event_${user}_${second}`));
    }
  }
  const first = await eventually(async () => {
    const answer = await poll();
    return answer.jtis.length === 2 && answer.moreAvailable && answer;
  });
  const txnOf = (jti: string): unknown => receiver.received.find((set) => set.jti === jti)!.claims['txn'];
  expect(first.jtis.map(txnOf).sort()).toEqual(users.map((user) => `event_${user}_1`));
  expect((await poll({ maxEvents: 1 })).jtis).toEqual([first.jtis[0]]);
  expect(await poll({ maxEvents: 0 })).toEqual({ jtis: [], moreAvailable: true });

  const [taken, refused] = first.jtis as [string, string];
  const setErrs = { [refused]: { err: 'invalid_request', description: 'not for us' } };
  const second = await eventually(async () => {
    const answer = await poll({ ack: [taken], setErrs });
    return answer.jtis.length === 2 && answer;
  });
  expect(second.jtis.map(txnOf).sort()).toEqual(users.map((user) => `event_${user}_2`));
  expect(await poll({ ack: second.jtis })).toEqual({ jtis: [], moreAvailable: false });
});

test('a receiver need not hear of everybody', async () => {
  const { receiver, user, ofUser, streamId } = await pushed({ events_requested: [SESSION_REVOKED] });
  const body = { stream_id: streamId, subject: { format: 'iss_sub', iss: USERS_ISSUER, sub: user } };
  const { remove_subject_endpoint: remove, add_subject_endpoint: add } = receiver.metadata;
  expect((await receiver.http('POST', remove, body)).status).toBe(204);
  await publishRevocation(place, revocationOf({ user_id: user }, 1, `event_${user}_1`));
  // Of the same key, so behind it; the other subject of this user is not left out.
  const session = revocationOf({ session_id: `session_of_${user}` }, 1, `event_${user}_2`);
  await publishRevocation(place, session);
  await publishRevocation(place, revocationOf({ user_id: `${user}_other` }, 1, `event_${user}_3`));
  const txns = () => receiver.received.map(({ claims }) => claims['txn']);
  await eventually(() => txns().includes(`event_${user}_2`) && txns().includes(`event_${user}_3`));
  expect((await receiver.http('POST', add, body)).status).toBe(200);
  await eventually(async () => {
    await publishRevocation(place, revocationOf({ user_id: user }, 5, `event_${user}_5`));
    return ofUser().length > 0;
  });
  expect(ofUser().map(({ claims }) => claims['txn'])).toEqual([`event_${user}_5`]);
  const email = { stream_id: streamId, subject: { format: 'email', email: 'ada@example.com' } };
  expect((await receiver.http('POST', remove, email)).body.code).toBe('subject_not_recognised');
});

test('one that a receiver refuses is set aside after some tries, and what comes behind it goes on', async () => {
  const { receiver, user, ofUser } = await pushed({ events_requested: [SESSION_REVOKED] });
  receiver.behaviour = { status: 400, body: { err: 'invalid_request', description: 'no' } };
  await publishRevocation(place, revocationOf({ user_id: user }, 1, `event_${user}_1`));
  await eventually(() => receiver.requests.length >= 5, { what: 'five tries' });
  receiver.behaviour = 'takes';
  await publishRevocation(place, revocationOf({ user_id: user }, 2, `event_${user}_2`));
  await eventually(() => ofUser().some(({ claims }) => claims['txn'] === `event_${user}_2`));
  // The transmitter writes down what it has been answered after it was answered.
  await eventually(async () => {
    const { body } = await signals.call('GET', '/v1/deliveries?state=refused');
    expect(body.data.filter(({ txn }: { txn: string }) => txn === `event_${user}_1`)).toHaveLength(1);
    return true;
  });
});

test.each([
  ['http://169.254.169.254/latest', 'must not be a private address'],
  ['ftp://receiver.example.com', 'must be https'],
  ['https://user:password@receiver.example.com', 'must hold no user'],
  ['nonsense', 'must be a URL'],
])('nothing is pushed to %s', async (endpoint_url, message) => {
  const receiver = await newReceiver();
  const answer = await receiver.createStream({ delivery: { method: PUSH, endpoint_url } });
  expect([answer.status, answer.body.code]).toEqual([400, 'request_invalid']);
  expect(answer.body.errors).toEqual([{ field: 'delivery.endpoint_url', message }]);
});

test('a new key is published before it signs', async () => {
  const receiver = await newReceiver();
  const keysOf = async () => (await receiver.http('GET', receiver.metadata.jwks_uri)).body.keys as { kid: string }[];
  const [former] = await keysOf();
  const { body } = await signals.call('POST', '/v1/signing-keys');
  const kids = await eventually(async () => {
    const found = (await keysOf()).map(({ kid }) => kid);
    return found.includes(body.kid) && found;
  });
  expect(kids).toContain(former!.kid);
  const { receiver: pushedTo, streamId } = await pushed();
  await pushedTo.verify(streamId, 'signed by the former');
  const set = await eventually(() => pushedTo.received.find(({ type }) => type === VERIFICATION));
  expect(set.header.kid).toBe(former!.kid);
});
