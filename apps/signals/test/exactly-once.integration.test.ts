import { eventually } from '#testing/eventually.js';
import type { Receiver, ReceivedSet } from './receiver.js';
import { revocationOf } from './records.js';
import { newPlace, type Place, publishRevocation, Signals } from './signals.js';

const USERS = 5;
const ROUNDS = 6;

let place: Place;
let signals: Signals;
let pushedTo: Receiver;
let polling: Receiver;

beforeAll(async () => {
  place = await newPlace();
  signals = new Signals(place);
  await signals.start();
}, 180_000);

afterAll(async () => {
  await pushedTo?.close();
  await signals.stop();
  await place.leave();
});

/** Each user is shut out again and again; every record comes twice, as after a crash of grants, unless it is said otherwise. */
async function revokeEverybody(round: number, times = 2): Promise<void> {
  const revocations = Array.from({ length: USERS }, (_, user) =>
    revocationOf({ user_id: `user_${user}` }, round * 10, `event_${user}_${round}`),
  );
  for (let time = 0; time < times; time++) {
    for (const revocation of revocations) await publishRevocation(place, revocation);
  }
}

/** user → what was said of them, in order. */
function histories(received: readonly ReceivedSet[]): Record<string, string[]> {
  const of: Record<string, string[]> = {};
  for (const { type, claims } of received) {
    const { sub } = claims['sub_id'] as { sub: string };
    (of[sub] ??= []).push(`${String(claims['txn'])} ${type.split('/').at(-1)}`);
  }
  return of;
}

const expected = Object.fromEntries(
  Array.from({ length: USERS }, (_, user) => [
    `user_${user}`,
    Array.from({ length: ROUNDS }, (_, round) => [
      `event_${user}_${round} session-revoked`,
      `event_${user}_${round} account-disabled`,
    ]).flat(),
  ]),
);

test('everything that was revoked arrives exactly once, in order, whatever happens in between', async () => {
  pushedTo = await signals.newReceiver('pushed');
  polling = await signals.newReceiver('polling');
  const endpoint_url = await pushedTo.listen();
  const push = (await pushedTo.createStream({ delivery: { method: 'urn:ietf:rfc:8935', endpoint_url } })).body;
  const poll = (await polling.createStream({})).body;

  // A crash while records are taken in, and while SETs are on their way.
  await revokeEverybody(0);
  await eventually(() => pushedTo.received.length > 0, { what: 'the first SET' });
  await signals.kill();
  await revokeEverybody(1);
  await restart();

  // Acknowledgements that are lost, then a receiver that is away, then another crash.
  pushedTo.behaviour = 'cuts';
  await revokeEverybody(2);
  const before = pushedTo.requests.length;
  await eventually(() => pushedTo.requests.length > before + 2, { what: 'tries whose acknowledgement is lost' });
  pushedTo.behaviour = 'away';
  await signals.kill();
  await restart();
  pushedTo.behaviour = 'takes';

  // Of the two that are polled, one acknowledgement is forgotten.
  const first = await eventually(async () => {
    const { jtis } = await polling.poll(poll.delivery.endpoint_url);
    return jtis.length > 1 && jtis;
  });
  await polling.poll(poll.delivery.endpoint_url, { ack: first.slice(1) });

  // Paused: nothing is sent, and nothing is lost.
  await eventually(() => pushedTo.received.length === 3 * USERS * 2, { what: 'everything so far' });
  for (const [receiver, stream] of [
    [pushedTo, push],
    [polling, poll],
  ] as const) {
    expect((await receiver.status(stream.stream_id, 'paused')).body.status).toBe('paused');
  }
  const requests = pushedTo.requests.length;
  await revokeEverybody(3);
  await eventually(async () => (await pendingOf(push.stream_id)) === USERS * 2, { what: 'what is kept' });
  expect(pushedTo.requests).toHaveLength(requests);
  expect((await polling.poll(poll.delivery.endpoint_url)).jtis).toEqual([]);
  await signals.kill();
  await restart();
  for (const [receiver, stream] of [
    [pushedTo, push],
    [polling, poll],
  ] as const) {
    expect((await receiver.status(stream.stream_id)).body.status).toBe('paused');
    await receiver.status(stream.stream_id, 'enabled');
  }
  for (let round = 4; round < ROUNDS; round++) await revokeEverybody(round);

  let acknowledged: string[] = [];
  await eventually(
    async () => {
      const { jtis, moreAvailable } = await polling.poll(poll.delivery.endpoint_url, { ack: acknowledged });
      acknowledged = jtis;
      const all = ROUNDS * USERS * 2;
      return jtis.length === 0 && !moreAvailable && [pushedTo, polling].every(({ received }) => received.length >= all);
    },
    { what: 'everything has arrived', timeoutMs: 120_000 },
  );
  expect(histories(pushedTo.received)).toEqual(expected);
  expect(histories(polling.received)).toEqual(expected);
  // It did come more than once, under the same jti.
  expect(Math.max(...pushedTo.times.values())).toBeGreaterThan(1);
  await eventually(async () => (await pendingOf(push.stream_id)) === 0, { what: 'an empty queue' });
});

test('who is told nothing any more is told nothing of what came meanwhile', async () => {
  const streamId = (await pushedTo.http('GET', pushedTo.metadata.configuration_endpoint)).body[0].stream_id;
  await pushedTo.status(streamId, 'disabled');
  await revokeEverybody(ROUNDS);
  // Once the other stream has what came after them, of the same users, both copies of those records were taken.
  await revokeEverybody(ROUNDS + 1, 1);
  const { body } = await polling.http('GET', polling.metadata.configuration_endpoint);
  const { endpoint_url } = body[0].delivery;
  await eventually(async () => (await pendingOf(body[0].stream_id)) === USERS * 4);
  await pushedTo.status(streamId, 'enabled');
  await revokeEverybody(ROUNDS + 2);
  await eventually(() => pushedTo.received.length === (ROUNDS + 1) * USERS * 2, { what: 'what came after' });
  expect(pushedTo.received.map(({ claims }) => claims['txn'])).not.toContain(`event_0_${ROUNDS}`);
  expect((await polling.poll(endpoint_url)).jtis).toHaveLength(USERS);
});

async function restart(): Promise<void> {
  await signals.start();
  pushedTo.follow(signals.url);
  polling.follow(signals.url);
}

async function pendingOf(streamId: string): Promise<number> {
  const { body } = await signals.call('GET', '/v1/streams');
  return body.data.find(({ id }: { id: string }) => id === streamId).pending;
}
