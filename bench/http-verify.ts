import type { StackFile } from '#testing/stack-file.js';
import { httpRequest, load } from './load.js';
import { median, type Row } from './row.js';
import { withStack } from './running-stack.js';
import { signedInPeople } from './sandbox-people.js';
import { withServer } from './server.js';

const ROUNDS = 3;
const TURN_MS = 3_000;
const PEER_CLIENT_SECRET = 'the secret of the client of the peer, long enough';
const FORM = 'application/x-www-form-urlencoded';

/**
 * `POST /v1/tokens/verify` and `POST /oauth2/introspect` over HTTP; floor of each: an empty Fastify route that takes the same
 * body; peer: the introspection of oidc-provider. Each is a process of its own.
 */
export async function httpVerify(): Promise<Row[]> {
  return withStack((stack) =>
    withServer('http-floor.js', {}, (floor) =>
      withServer('oidc-provider.js', { PEER_CLIENT_SECRET }, async (peer) => rows(await compared(stack, floor, peer))),
    ),
  );
}

type Rates = Record<'verify' | 'verifyFloor' | 'introspect' | 'introspectFloor' | 'peer', number>;

async function compared(stack: StackFile, floor: string, peer: string): Promise<Rates> {
  const tokens = (await signedInPeople(stack, 50)).map(({ token }) => token);
  const peerTokens = await Promise.all(tokens.map(() => tokenOf(peer)));
  const bearer = { authorization: `Bearer ${stack.adminApiKey}`, 'content-type': 'application/json' };
  const client = basic(stack.introspection.clientId, stack.introspection.clientSecret);
  const verify = (base: string) =>
    tokens.map((token) => httpRequest('POST', `${base}/v1/tokens/verify`, bearer, JSON.stringify({ token })));
  const introspect = (url: string, headers: Record<string, string>, asked: readonly string[]) =>
    asked.map((token) => httpRequest('POST', url, headers, `token=${token}`));
  const contenders: Record<keyof Rates, { base: string; requests: Buffer[] }> = {
    verifyFloor: { base: floor, requests: verify(floor) },
    verify: { base: stack.tokenVerification, requests: verify(stack.tokenVerification) },
    introspectFloor: { base: floor, requests: introspect(`${floor}/oauth2/introspect`, client, tokens) },
    introspect: {
      base: stack.tokenVerification,
      requests: introspect(`${stack.tokenVerification}/oauth2/introspect`, client, tokens),
    },
    peer: {
      base: peer,
      requests: introspect(`${peer}/token/introspection`, basic('bench', PEER_CLIENT_SECRET), peerTokens),
    },
  };
  const names = Object.keys(contenders) as (keyof Rates)[];
  const rates = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<keyof Rates, number[]>;
  for (let round = -1; round < ROUNDS; round++) {
    for (const name of names) {
      const { base, requests } = contenders[name];
      const { rate, statuses, odd } = await load(base, (index) => requests[index % requests.length]!, {
        durationMs: TURN_MS,
        expected: '"active":true',
      });
      if (odd > 0) throw new Error(`${name}: not every token was active: ${JSON.stringify(statuses)}`);
      if (round >= 0) rates[name].push(rate); // the first one warms up
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(rates[name])])) as Rates;
}

function rows(rates: Rates): Row[] {
  const row = (name: string, value: number, floor: number): Row => ({
    name: `${name} over HTTP, 64 connections`,
    value,
    unit: '/s',
    floor,
    peer: { name: "oidc-provider's introspection", value: rates.peer },
    ratio: value / floor,
    target: '≥ 0.6 of an empty Fastify route',
    met: value / floor >= 0.6,
  });
  return [row('verify', rates.verify, rates.verifyFloor), row('introspect', rates.introspect, rates.introspectFloor)];
}

const basic = (id: string, secret: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`,
  'content-type': FORM,
});

async function tokenOf(peer: string): Promise<string> {
  const answer = await fetch(`${peer}/token`, {
    method: 'POST',
    headers: basic('bench', PEER_CLIENT_SECRET),
    body: 'grant_type=client_credentials',
  });
  if (!answer.ok) throw new Error(`oidc-provider issued no token: ${answer.status}`);
  return ((await answer.json()) as { access_token: string }).access_token;
}
