import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WorkOSApi, WorkOSApiError } from '../src/api-client.js';

const KEY = 'sk_test_seeded_in_the_test';
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let last: IncomingMessage;
const server: Server = createServer((request, response) => {
  last = request;
  answer(request, response);
});
let api: WorkOSApi;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  api = new WorkOSApi({ apiKey: KEY, baseUrl, timeoutMs: 2_000 });
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const json =
  (body: unknown, status = 200, headers: Record<string, string> = {}): typeof answer =>
  (_, response) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
const failure = (): Promise<WorkOSApiError> =>
  api.listEvents({ types: ['user.deleted'] }).then(
    () => {
      throw new Error('it was answered');
    },
    (error: WorkOSApiError) => error,
  );
const queryOf = ({ url }: IncomingMessage) => new URL(url!, 'http://workos').searchParams;

const EVENT = { id: 'event_1', event: 'user.deleted', created_at: '2026-01-01T00:00:00Z', data: { id: 'user_1' } };

test('events, with the key, and where to go on', async () => {
  answer = json({ object: 'list', data: [{ ...EVENT, object: 'event' }], list_metadata: { after: 'event_1' } });
  const page = await api.listEvents({
    types: ['user.deleted', 'session.revoked'],
    after: 'event_0',
    since: new Date(0),
  });
  expect(page).toMatchObject({ data: [EVENT], after: 'event_1' });
  expect(last.headers.authorization).toBe(`Bearer ${KEY}`);
  expect(queryOf(last).get('events')).toBe('user.deleted,session.revoked');
  expect(queryOf(last).get('after')).toBe('event_0');
  expect(queryOf(last).has('range_start')).toBe(false); // WorkOS takes one of the two
  expect(queryOf(last).has('organization_id')).toBe(false);
});

test('without a cursor, from a moment on', async () => {
  answer = json({ data: [], list_metadata: {} });
  expect(await api.listEvents({ types: ['user.deleted'], since: new Date(0) })).toMatchObject({
    data: [],
    after: null,
  });
  expect(queryOf(last).get('range_start')).toBe('1970-01-01T00:00:00.000Z');
});

test('memberships that are inactive are asked for as well', async () => {
  answer = json({ data: [{ id: 'om_1' }], list_metadata: { after: null } });
  await api.listMemberships({ userId: 'user_1' });
  expect(queryOf(last).get('statuses')).toBe('active,inactive,pending');
  expect(queryOf(last).get('user_id')).toBe('user_1');
  await api.listUsers('user_9');
  expect(queryOf(last).get('after')).toBe('user_9');
});

test.each<[string, typeof answer, number, boolean]>([
  ['a wrong key', json({ message: 'Unauthorized' }, 401), 401, false],
  ['a cursor it does not know', json({ message: 'bad cursor' }, 400), 400, false],
  ['too much', json({}, 429, { 'retry-after': '7' }), 429, true],
  ['a fault of its own', json({}, 502), 502, true],
  ['no JSON', (_, response) => void response.end('<html>'), 0, true],
  ['another shape', json({ data: [{ id: 1 }] }), 0, true],
  ['nothing', () => undefined, 0, true],
  ['a redirect', (_, response) => void response.writeHead(302, { location: '/x' }).end(), 0, true],
])('%s', async (_, how, status, retryable) => {
  answer = how;
  const error = await failure();
  expect(error).toBeInstanceOf(WorkOSApiError);
  expect({ status: error.status, retryable: error.retryable }).toEqual({ status, retryable });
  expect(`${error.stack}${JSON.stringify(error)}${String(error.cause)}`).not.toContain(KEY);
});

test.each([
  ['7', 7_000],
  ['100000', 300_000],
  ['soon', undefined],
])('waiting as long as it says: %s', async (header, expected) => {
  answer = json({}, 429, { 'retry-after': header });
  expect((await failure()).retryAfterMs).toBe(expected);
});
