import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRescind, type Sink } from '#client/index.js';
import { NEVER } from '#contracts/moment.js';
import { compare, type Row } from './row.js';

const ISSUER = 'https://api.workos.com/user_management/client_01BENCH';
const [TOKENS, SCOPES, MOST_US] = [2_000, 100_000, 2];

/** `@rescind/client` in the process of a downstream service: what a token costs that was seen before, its revocation judged each time. */
export async function client(): Promise<Row[]> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keys = createServer((_, response) =>
    response.end(JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), alg: 'ES256' }] })),
  );
  await new Promise<void>((resolve) => keys.listen(0, '127.0.0.1', resolve));
  let sink!: Sink;
  const rescind = createRescind({
    source: { open: (given) => void (sink = given), close: async () => undefined },
    providers: [
      {
        id: 'idp_1',
        issuers: [ISSUER],
        jwksUri: `http://127.0.0.1:${(keys.address() as AddressInfo).port}/`,
        algorithms: ['ES256'],
      },
    ],
    maxStalenessMs: 3_600_000,
    cache: { seconds: 3_600 },
  });
  const closing = { reason: 'user_deprovisioned', sourceEventId: 'event_1', occurredAt: 0 };
  for (let index = 0; index < SCOPES; index++) {
    sink.state(`idp_1/user:gone_${index}`, { closedAt: Infinity, openedAt: NEVER, tokensBefore: NEVER, closing });
  }
  sink.proved({ at: new Date().toISOString(), ageMs: 0, receivedAt: performance.now() });

  const iat = Math.floor(Date.now() / 1_000);
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = Array.from({ length: TOKENS }, (_, index) => ({
    iss: ISSUER,
    sub: `user_${index}`,
    sid: `session_${index}`,
    org_id: 'org_1',
    iat,
    exp: iat + 3_600,
  }));
  const tokens = claims.map((given) => {
    const input = `${encode({ alg: 'ES256' })}.${encode(given)}`;
    return `${input}.${sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  });
  for (const token of tokens) await rescind.verify(token);

  let next = 0;
  const turn = (): number => (next = (next + 1) % TOKENS);
  const rates = compare({
    verify: () => {
      const verdict = rescind.verify(tokens[turn()]!);
      if (verdict instanceof Promise || verdict.kind !== 'active') throw new Error('it was not remembered');
    },
    isRevoked: () => {
      if (rescind.isRevoked(claims[turn()]!)) throw new Error('nobody has revoked it');
    },
  });
  await rescind.close();
  keys.closeAllConnections();
  keys.close();
  const row = (name: string, rate: number): Row => {
    const value = 1e6 / rate;
    return { name, value, unit: 'µs', target: `≤ ${MOST_US} µs`, met: value <= MOST_US };
  };
  return [row('client: verify, the signature known', rates.verify), row('client: isRevoked(claims)', rates.isRevoked)];
}
