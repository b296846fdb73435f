import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { Registry } from 'prom-client';
import { momentToWire } from '#contracts/moment.js';
import { eventually } from '#testing/eventually.js';
import { REMEMBERED_CHANGES } from '../src/domain/change-log.js';
import { RevocationView } from '../src/domain/revocation-view.js';
import { RevocationStream } from '../src/revocation-stream.js';
import { eventsOf, eventsUntil, scopesIn } from './event-stream.js';

const AS_OF = '2026-11-28T00:00:00.000Z';

function close(view: RevocationView, scope: string, closedAt = Infinity): void {
  view.takeState({
    scope,
    provider_id: 'idp_1',
    closed_at: momentToWire(closedAt),
    opened_at: null,
    tokens_before: null,
    reason: 'user_deprovisioned',
    source_event_id: 'event_1',
    occurred_at: AS_OF,
  });
}

const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

/** The real stream on a real server, over a view that the test fills. */
async function served(
  view: RevocationView,
  { patienceMs = 60_000, heartbeatMs = 20, onFirstWrite = () => {}, onBeat = () => {} } = {},
) {
  let problem: string | undefined;
  let mayStay = true;
  let providers: readonly object[] = [{ id: 'idp_1' }];
  const responses: ServerResponse[] = [];
  const stream = new RevocationStream({
    view,
    problem: () => (onBeat(), problem),
    asOf: () => AS_OF,
    ageMs: () => 5,
    providers: () => providers,
    authentication: { principalOf: () => undefined },
    registry: new Registry(),
    heartbeatMs,
    patienceMs,
  });
  const server = createServer((request, response) => {
    responses.push(response);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const { write } = response;
    response.write = ((...given: Parameters<typeof write>) => {
      response.write = write;
      onFirstWrite();
      return response.write(...given);
    }) as typeof write;
    stream.subscribe(response, request.headers['last-event-id'], async () => mayStay);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  endings.push(async () => {
    stream.beforeApplicationShutdown();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    stream,
    responses,
    url: `http://127.0.0.1:${port}/`,
    port,
    isStale: (why: string | undefined) => (problem = why),
    throwOut: () => (mayStay = false),
    changeProviders: (now: readonly object[]) => {
      providers = now;
      stream.providersChanged();
    },
  };
}

test('all that is known comes first, then ready, and then a heartbeat', async () => {
  const view = new RevocationView();
  const scopes = Array.from({ length: 1_200 }, (_, index) => `idp_1/user:u${index}`);
  for (const scope of scopes) close(view, scope);
  const server = await served(view);
  const seen = await eventsUntil('heartbeat', server.url);
  expect(scopesIn(seen)).toEqual(scopes);
  expect(seen.slice(-2)).toMatchObject([
    { event: 'ready', data: { resumed: false, as_of: AS_OF, age_ms: 5 } },
    { event: 'heartbeat', data: { as_of: AS_OF, age_ms: 5 } },
  ]);
  expect(seen[0]).toMatchObject({ event: 'providers', data: { providers: [{ id: 'idp_1' }] } });
  expect(seen[1]!.data.states![0]).toEqual({
    scope: 'idp_1/user:u0',
    closed_at: 'infinity',
    opened_at: null,
    tokens_before: null,
    reason: 'user_deprovisioned',
    source_event_id: 'event_1',
    occurred_at: AS_OF,
  });
  // Nobody can go on from within a snapshot.
  expect(seen.filter(({ id }) => id !== undefined).map(({ event }) => event)).toEqual(['ready', 'heartbeat']);
});

test('a change that overtakes the snapshot comes after it, and before ready', async () => {
  const view = new RevocationView();
  for (let index = 0; index < 1_200; index++) close(view, `idp_1/user:u${index}`, 1_000);
  // The first scopes have been passed by then.
  const server = await served(view, { onFirstWrite: () => close(view, 'idp_1/user:u0') });
  const seen = await eventsUntil('ready', server.url);
  const latest = new Map(seen.flatMap(({ data }) => data.states ?? []).map((state) => [state.scope, state.closed_at]));
  expect([latest.size, latest.get('idp_1/user:u0')]).toEqual([1_200, 'infinity']);
});

test('who has had everything goes on with the changes since; who comes from another process begins anew', async () => {
  const view = new RevocationView();
  close(view, 'idp_1/user:before');
  const server = await served(view);
  const { id } = (await eventsUntil('ready', server.url)).at(-1)!;
  close(view, 'idp_1/user:since');
  close(view, 'idp_1/user:before'); // as it was: no change
  const resumed = await eventsUntil('ready', server.url, { 'last-event-id': id! });
  expect([scopesIn(resumed), resumed.at(-1)!.data.resumed]).toEqual([['idp_1/user:since'], true]);
  const again = await eventsUntil('ready', server.url, { 'last-event-id': resumed.at(-1)!.id! });
  expect([scopesIn(again), again.at(-1)!.data.resumed]).toEqual([[], true]);
  const [epoch] = id!.split('.');
  for (const unknown of [`${'0'.repeat(12)}.1`, `${epoch}.99`, `${epoch}.x`, 'x']) {
    const anew = await eventsUntil('ready', server.url, { 'last-event-id': unknown });
    expect([scopesIn(anew), anew.at(-1)!.data.resumed]).toEqual([['idp_1/user:before', 'idp_1/user:since'], false]);
  }
});

test('the providers come first, also to who goes on, and once more when one of them has changed', async () => {
  const server = await served(new RevocationView(), { heartbeatMs: 3_600_000 });
  const stream = eventsOf(server.url);
  const told = async (): Promise<unknown> => {
    for (;;) {
      const { value, done } = await stream.next();
      if (done) throw new Error('the stream has ended');
      if (value.event === 'providers') return value.data.providers;
    }
  };
  expect(await told()).toEqual([{ id: 'idp_1' }]);
  server.changeProviders([{ id: 'idp_1' }, { id: 'idp_2' }]);
  expect(await told()).toEqual([{ id: 'idp_1' }, { id: 'idp_2' }]);
  const { id } = (await eventsUntil('ready', server.url)).at(-1)!;
  const resumed = await eventsUntil('ready', server.url, { 'last-event-id': id! });
  expect(resumed[0]).toMatchObject({ event: 'providers', data: { providers: [{ id: 'idp_1' }, { id: 'idp_2' }] } });
});

test('a heartbeat does not overtake what came in the moment before', async () => {
  const view = new RevocationView();
  const server = await served(view, {
    onBeat: () => {
      if (server.stream.size > 0 && view.size === 0) close(view, 'idp_1/user:just_now');
    },
  });
  const seen = await eventsUntil('heartbeat', server.url);
  expect(seen.map(({ event }) => event)).toEqual(['providers', 'ready', 'states', 'heartbeat']);
});

test('more changes than are remembered: begins anew rather than with a gap', async () => {
  const view = new RevocationView();
  close(view, 'idp_1/user:first');
  const server = await served(view);
  const { id } = (await eventsUntil('ready', server.url)).at(-1)!;
  for (let at = 1; at <= REMEMBERED_CHANGES; at++) close(view, 'idp_1/user:busy', at);
  const reached = await eventsUntil('ready', server.url, { 'last-event-id': id! });
  expect([scopesIn(reached).at(-1), reached.at(-1)!.data.resumed]).toEqual(['idp_1/user:busy', true]);
  close(view, 'idp_1/user:busy', REMEMBERED_CHANGES + 1);
  const anew = await eventsUntil('ready', server.url, { 'last-event-id': id! });
  expect([scopesIn(anew), anew.at(-1)!.data.resumed]).toEqual([['idp_1/user:first', 'idp_1/user:busy'], false]);
});

test('a subscriber who falls behind by more than is remembered is cut off', async () => {
  const view = new RevocationView();
  const server = await served(view);
  const stream = eventsOf(server.url);
  expect((await stream.next()).value).toMatchObject({ event: 'providers' });
  for (let at = 1; at <= REMEMBERED_CHANGES + 1; at++) close(view, 'idp_1/user:busy', at);
  await expect((async () => eventsAfter(stream))()).rejects.toThrow();
});

async function eventsAfter(stream: AsyncGenerator<unknown>): Promise<void> {
  for await (const _ of stream);
}

test('while the view is not fresh there is no heartbeat, and it is said why', async () => {
  const server = await served(new RevocationView(), { heartbeatMs: 5 });
  server.isStale('the relay is silent');
  const seen = await eventsUntil('stale', server.url);
  expect(seen.map(({ event }) => event)).toEqual(['providers', 'ready', 'stale']);
  expect(seen.at(-1)!.data).toEqual({ problem: 'the relay is silent' });
});

test('who may no longer, be it that the API key was revoked, is shown out', async () => {
  const server = await served(new RevocationView(), { heartbeatMs: 5 });
  const stream = eventsOf(server.url);
  expect((await stream.next()).value).toMatchObject({ event: 'providers' });
  server.throwOut();
  await eventsAfter(stream);
  await eventually(() => server.stream.size === 0);
});

test('who does not read is cut off, and costs one batch at most', async () => {
  const view = new RevocationView();
  for (let index = 0; index < 60_000; index++) close(view, `idp_1/user:${'x'.repeat(200)}${index}`);
  const server = await served(view, { patienceMs: 300 });
  const socket = await new Promise<Socket>((resolve) => {
    const opened = connect(server.port, '127.0.0.1', () => resolve(opened));
  });
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => undefined);
  socket.pause();
  socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await eventually(() => server.responses.length === 1);
  let most = 0;
  await eventually(() => {
    most = Math.max(most, server.responses[0]!.writableLength);
    return server.stream.size === 0;
  });
  expect(most).toBeLessThan(1_000_000);
  socket.resume();
  await gone;
});
