import pg from 'pg';
import { TOPICS } from '#contracts/topics.js';
import { decodeWorkOSRecord } from '#contracts/workos-event.js';
import { TopicReader } from '#kafka/topic-reader.js';
import { eventually } from '#testing/eventually.js';
import { PollTransmitter } from './poll-transmitter.js';
import { PROVIDER, revocationOf, USERS_ISSUER } from './records.js';
import { ISSUER, newPlace, type Place, publishRevocation, Signals } from './signals.js';

/** Two installations, and a transmitter of somebody else; real Kafka, real Postgres, processes that are killed. */

let there: Place;
let here: Place;
let transmitting: Signals;
let receiving: Signals;
let reader: TopicReader;
/** user → ids of the events that ended something of theirs here. */
const ended = new Map<string, Set<string>>();

beforeAll(async () => {
  [there, here] = await Promise.all([newPlace(), newPlace()]);
  transmitting = new Signals(there);
  receiving = new Signals(here, { SOURCE_POLL_INTERVAL_MS: '100' });
  await Promise.all([transmitting.start(), receiving.start()]);
  reader = new TopicReader(here.client, {
    topics: [TOPICS.workosEvents],
    onRecords: (records) => {
      for (const { value } of records) {
        const { event } = decodeWorkOSRecord(value);
        const user = (event as { data: { user_id: string } }).data.user_id;
        ended.set(user, (ended.get(user) ?? new Set()).add(event.id));
      }
    },
  });
  await reader.start();
}, 240_000);

afterAll(async () => {
  await reader?.close();
  await Promise.all([transmitting?.stop(), receiving?.stop()]);
  await Promise.all([there?.leave(), here?.leave()]);
});

test("one installation's stream is polled by another: what ends there ends here", async () => {
  const receiver = await transmitting.newReceiver('another');
  const { body: stream } = await receiver.createStream({});
  const path = new URL(stream.delivery.endpoint_url as string).pathname;
  const { status, body: source } = await receiving.call('POST', '/v1/sources', {
    name: 'another installation',
    issuer: ISSUER,
    jwks_uri: `${transmitting.url}/.well-known/jwks.json`,
    audience: stream.aud,
    provider_id: PROVIDER,
    poll: {
      endpoint_url: transmitting.url + path,
      token_url: `${transmitting.url}/oauth2/token`,
      client_id: receiver.id,
      client_secret: receiver.key,
      scope: 'ssf.read',
    },
  });
  expect([status, source.push_token, source.push_url]).toEqual([201, undefined, null]);
  for (let user = 0; user < 20; user++) {
    await publishRevocation(there, revocationOf({ user_id: `user_${user}` }, user, `event_${user}`));
  }
  // Two SETs of each: its sessions, and the account.
  await eventually(() => ended.size === 20 && [...ended.values()].every((events) => events.size === 2), {
    what: 'each user is ended here',
  });
  await receiver.verify(stream.stream_id as string, 'hello');
  const view = await eventually(
    async () => {
      const { body } = await receiving.call('GET', '/v1/sources');
      return body.data[0].verified_at !== null && body.data[0];
    },
    { what: 'the verification event' },
  );
  expect(view).toMatchObject({ id: source.id, poll: { failures: 0, last_error: null }, refused: 0 });
  // All of it is acknowledged there.
  await eventually(async () => {
    const { body } = await transmitting.call('GET', '/v1/streams');
    return body.data.every(({ pending }: { pending: number }) => pending === 0);
  });
  expect((await receiving.call('DELETE', `/v1/sources/${source.id}`)).status).toBe(204);
});

test('SIGKILL while SETs come, with another replica beside it: each is ended, and under one id', async () => {
  const transmitter = await PollTransmitter.start();
  const replica = new Signals(here, { SOURCE_POLL_INTERVAL_MS: '100' });
  try {
    await replica.start();
    const users = Array.from({ length: 300 }, (_, user) => `polled_${user}`);
    for (const user of users) {
      const claims = {
        sub_id: { format: 'iss_sub', iss: USERS_ISSUER, sub: user },
        events: { 'https://schemas.openid.net/secevent/risc/event-type/account-purged': {} },
      };
      transmitter.say(user, await transmitter.sign(user, claims));
    }
    const { status } = await receiving.call('POST', '/v1/sources', {
      name: 'somebody else',
      issuer: transmitter.issuer,
      audience: transmitter.audience,
      provider_id: PROVIDER,
      poll: { endpoint_url: `${transmitter.issuer}/poll`, authorization_header: transmitter.authorization },
    });
    expect(status).toBe(201);
    await eventually(() => transmitter.requests.length > 0, { what: 'the first request' });
    await receiving.kill();
    await eventually(() => transmitter.acknowledged.size === users.length, { what: 'everything acknowledged' });
    // Whatever was acknowledged stands on the topic.
    await eventually(() => users.every((user) => ended.has(user)), { what: 'each user is ended' });
    expect(users.every((user) => ended.get(user)!.size === 1)).toBe(true);
    await eventually(() => transmitter.open === 1, { what: 'one of them polls' });
  } finally {
    await replica.stop();
    await transmitter.close();
  }
});

const poll = { endpoint_url: 'https://other.example.com/poll', authorization_header: 'Bearer of-the-stream' };
const polled = { issuer: 'https://other.example.com', provider_id: PROVIDER, audience: 'https://us.example.com', poll };

test('what was given to authenticate with is never shown, and can be given anew', async () => {
  const replica = new Signals(here);
  await replica.start();
  try {
    const { body: made } = await replica.call('POST', '/v1/sources', { name: 'sealed', ...polled });
    const changed = await replica.call('PATCH', `/v1/sources/${made.id}`, {
      audience: 'https://new.example.com',
      poll: {
        endpoint_url: poll.endpoint_url,
        token_url: 'https://other.example.com/token',
        client_id: 'us',
        client_secret: 'the-secret-of-us',
      },
    });
    expect(changed).toMatchObject({
      status: 200,
      body: { audience: 'https://new.example.com', poll: { client_id: 'us', scope: null } },
    });
    const list = await replica.call('GET', '/v1/sources');
    for (const { body } of [{ body: made }, changed, list]) {
      expect(JSON.stringify(body)).not.toMatch(/of-the-stream|the-secret-of-us|"secret"/);
    }
    const connection = new pg.Client({ connectionString: here.database.url });
    await connection.connect();
    const { rows } = await connection.query('select secret from signals.polled_sources');
    await connection.end();
    expect(rows).not.toHaveLength(0);
    expect(JSON.stringify(rows)).not.toMatch(/of-the-stream|the-secret-of-us/);

    const refusals: [object, RegExp][] = [
      [{ ...polled, audience: undefined }, /^audience$/],
      [{ ...polled, poll: { ...poll, endpoint_url: 'ftp://other.example.com' } }, /^poll.endpoint_url$/],
      [{ ...polled, poll: { ...poll, endpoint_url: 'https://169.254.169.254/' } }, /^poll.endpoint_url$/],
      [{ ...polled, poll: { ...poll, authorization_header: 'a\r\nb: c' } }, /^poll.authorization_header$/],
      [{ ...polled, poll: { ...poll, client_secret: 'and this' } }, /^poll.client_secret$/],
      [{ ...polled, poll: { endpoint_url: poll.endpoint_url, client_id: 'us' } }, /^poll.token_url$/],
    ];
    for (const [index, [body, field]] of refusals.entries()) {
      const answer = await replica.call('POST', '/v1/sources', { name: `refused ${index}`, ...body });
      expect([answer.status, answer.body.code]).toEqual([400, 'request_invalid']);
      expect(answer.body.errors[0].field).toMatch(field);
    }
    const { body: pushing } = await replica.call('POST', '/v1/sources', { ...polled, name: 'pushes', poll: undefined });
    expect((await replica.call('PATCH', `/v1/sources/${pushing.id}`, { poll })).body.code).toBe('source_pushes');
    // The one that is polled takes no pushes.
    const pushed = await fetch(`${replica.url}/v1/sources/${made.id}/events`, {
      method: 'POST',
      headers: { authorization: 'Bearer ', 'content-type': 'application/secevent+jwt' },
      body: 'eyJ',
    });
    expect(pushed.status).toBe(401);
  } finally {
    await replica.stop();
  }
});
