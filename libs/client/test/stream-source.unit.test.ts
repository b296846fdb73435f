import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Provider, streamSource } from '#client/index.js';
import { eventually } from '#testing/eventually.js';

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

/** The source against a server that answers its first request as the first of these says, and so on, the last for ever. */
async function reading(answers: Answer[], { silenceMs = 60_000 } = {}) {
  const requests: IncomingMessage[] = [];
  const server: Server = createServer((request, response) => {
    const answer = answers[Math.min(requests.length, answers.length - 1)]!;
    requests.push(request);
    answer(response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const seen = {
    states: [] as string[],
    proofs: [] as string[],
    problems: [] as string[],
    providers: [] as Provider[][],
  };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const source = streamSource({ url, apiKey: 'secret', silenceMs });
  source.open({
    state: (scope) => void seen.states.push(scope),
    providers: (told) => void seen.providers.push([...told]),
    proved: ({ at }) => void seen.proofs.push(at),
    problem: ({ message }) => void seen.problems.push(message),
  });
  endings.push(async () => {
    await source.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { requests, ...seen };
}

const event = (name: string, data: unknown, id?: string): string =>
  `event: ${name}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;
const state = (scope: string, over: object = {}): object => ({
  scope,
  closed_at: 'infinity',
  opened_at: null,
  tokens_before: null,
  reason: 'user_deprovisioned',
  source_event_id: 'event_1',
  occurred_at: '2026-11-28T09:00:00.000Z',
  ...over,
});
const proof = (at: string): object => ({ as_of: at, age_ms: 5, resumed: false });
const [T1, T2] = ['2026-11-28T09:00:01.000Z', '2026-11-28T09:00:02.000Z'];

test('states and proofs, in whatever pieces they come; the API key goes with the question', async () => {
  const text = event('states', { states: [state('idp_1/user:ü')] }) + event('ready', proof(T1), 'e.1');
  const seen = await reading([
    (response) => {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; at++) response.write(bytes.subarray(at, at + 1));
    },
  ]);
  await eventually(() => seen.proofs.length > 0);
  expect(seen).toMatchObject({ states: ['idp_1/user:ü'], proofs: [T1], problems: [] });
  expect(seen.requests[0]!.headers.authorization).toBe('Bearer secret');
});

const told = {
  id: 'idp_1',
  kind: 'workos',
  issuers: ['https://issuer.test/'],
  jwks_uri: 'https://issuer.test/keys',
  client_id: null,
  audience: ['api://a'],
  audience_policy: 'required',
  algorithms: ['RS256'],
  claim_mappings: { user_id: 'sub', organization_id: 'o.id', session_id: 'sid' },
  claim_mappings_confirmed: false,
  required_claims: ['jti'],
  clock_tolerance_seconds: 7,
  allow_impersonation: true,
};

test('providers as the service has them; one that is not understood is left out, and it is said', async () => {
  const broken = Object.keys(told).map((name) => ({ ...told, [name]: name === 'client_id' ? 7 : null }));
  const seen = await reading([
    (response) => {
      response.write(
        event('providers', { providers: [...broken, told, { ...told, id: 'idp_2', client_id: 'client_2' }] }),
      );
      response.write(event('ready', proof(T1)));
    },
  ]);
  await eventually(() => seen.proofs.length > 0);
  const provider = {
    id: 'idp_1',
    kind: 'workos',
    issuers: ['https://issuer.test/'],
    jwksUri: 'https://issuer.test/keys',
    audience: ['api://a'],
    requireAudience: true,
    algorithms: ['RS256'],
    claims: { userId: 'sub', organizationId: 'o.id', sessionId: 'sid' },
    claimsConfirmed: false,
    requiredClaims: ['jti'],
    clockToleranceSeconds: 7,
    allowImpersonation: true,
  };
  expect(seen.providers).toEqual([[provider, { ...provider, id: 'idp_2', clientId: 'client_2' }]]);
  expect(seen.problems).toHaveLength(broken.length);
});

test('no proof counts before everything was told, and none without a moment or an age', async () => {
  const seen = await reading([
    (response) => {
      response.write(event('heartbeat', proof(T1)));
      response.write(event('states', { states: [state('idp_1/user:a')] }));
      response.write(event('ready', { as_of: null, age_ms: null }));
      response.write(event('heartbeat', { as_of: T1, age_ms: null }));
      response.write(event('heartbeat', { as_of: T1, age_ms: -1 }));
      response.write(event('stale', { problem: 'x' }));
      response.write(event('heartbeat', proof(T2)));
    },
  ]);
  await eventually(() => seen.proofs.length > 0);
  expect(seen.proofs).toEqual([T2]);
  expect(seen.problems).toEqual(['the service says that it is stale']);
});

test.each<[string, Answer]>([
  ['ends', (response) => response.end()],
  ['breaks', (response) => response.destroy()],
  ['says no', (response) => response.writeHead(503).end('{}')],
  ['sends elsewhere', (response) => response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end()],
  ['sends what is no JSON', (response) => response.write('event: states\ndata: {\n\n')],
  [
    'sends a state that is none',
    (response) => response.write(event('states', { states: [state('a', { closed_at: 'soon' })] })),
  ],
  ['sends no list of states', (response) => response.write(event('states', {}))],
  ['sends no list of providers', (response) => response.write(event('providers', {}))],
])('a server that %s is asked again, from where it was', async (_, breaks) => {
  const seen = await reading([
    (response) => response.end(event('ready', proof(T1), 'e.7')),
    breaks,
    (response) => response.write(event('ready', proof(T2), 'e.9')),
  ]);
  await eventually(() => seen.proofs.includes(T2));
  expect(seen.proofs).toEqual([T1, T2]);
  expect(seen.problems).toHaveLength(2);
  expect(seen.requests.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, 'e.7', 'e.7']);
});

test('what was not taken is asked for again: the id goes on only with what was understood', async () => {
  const seen = await reading([
    (response) => {
      response.write(event('ready', proof(T1), 'e.7'));
      response.write(event('states', { states: [state('idp_1/user:a', { scope: 7 })] }, 'e.8'));
    },
    (response) => response.write(event('ready', proof(T2), 'e.9')),
  ]);
  await eventually(() => seen.proofs.includes(T2));
  expect(seen.requests[1]!.headers['last-event-id']).toBe('e.7');
});

test('a server that is silent is given up, and one that never ends an event', async () => {
  const endless: Answer = (response) => {
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    const more = (): void => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on('drain', more);
    response.write('data: ');
    more();
  };
  const seen = await reading([() => undefined, endless, (response) => response.write(event('ready', proof(T2)))], {
    silenceMs: 500,
  });
  await eventually(() => seen.proofs.includes(T2));
  expect(seen.problems).toContain('the stream is silent');
  expect(seen.problems).toContain('the stream is not understood: an event has no end');
});
