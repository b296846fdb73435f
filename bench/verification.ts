import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { createLocalJWKSet, jwtVerify } from 'jose';
import type { IdentityProviderData } from '#contracts/identity-provider.js';
import type { ScopeStateData } from '#contracts/revocation.js';
import { TokenCache } from '#providers/token-cache.js';
import { Heartbeats } from '#revocation/heartbeats.js';
import { providerRecord } from '#testing/provider-record.js';
import { RevocationView } from '../apps/token-verification/src/domain/revocation-view.js';
import { KeySet } from '../apps/token-verification/src/keys/key-set.js';
import { type Verdict, Verifier } from '../apps/token-verification/src/verifier.js';
import { peer } from './peers.js';
import { median, type Row } from './row.js';

const ISSUER = 'https://api.workos.com/user_management/client_01BENCH';
const TOKENS = 2_000;
const ROUNDS = 25;
/** Until what is compiled while it runs is compiled, of whoever. */
const WARM_UP = 15;

/** In process: floor: the bare RS256 check of node:crypto; peers: jose, fast-jwt, aws-jwt-verify, none of which asks for revocation. */
export async function verification(): Promise<Row[]> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'bench', use: 'sig', alg: 'RS256' };
  const iat = Math.floor(Date.now() / 1_000);
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const tokens = Array.from({ length: TOKENS }, (_, index) => {
    const claims = {
      iss: ISSUER,
      sub: `user_${index}`,
      sid: `session_${index}`,
      org_id: 'org_1',
      jti: String(index),
      iat,
      exp: iat + 3_600,
    };
    const input = `${encode({ alg: 'RS256', typ: 'JWT', kid: 'bench' })}.${encode(claims)}`;
    return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
  });
  const parts = tokens.map((token) => {
    const end = token.lastIndexOf('.');
    return { input: Buffer.from(token.slice(0, end)), signature: Buffer.from(token.slice(end + 1), 'base64url') };
  });

  const uncached = verifierWith(jwk, 0);
  const cached = verifierWith(jwk, 2 * TOKENS);
  const changing = verifierWith(jwk, 2 * TOKENS);
  const jwks = createLocalJWKSet({ keys: [jwk] as never });
  const fast = (await peer<FastJwt>('fast-jwt')).createVerifier({
    key: publicKey.export({ type: 'spki', format: 'pem' }),
    allowedIss: ISSUER,
  });
  const fastCached = (await peer<FastJwt>('fast-jwt')).createVerifier({
    key: publicKey.export({ type: 'spki', format: 'pem' }),
    allowedIss: ISSUER,
    cache: 2 * TOKENS,
  });
  const aws = (await peer<AwsJwtVerify>('aws-jwt-verify')).JwtRsaVerifier.create({
    issuer: ISSUER,
    audience: null,
    jwksUri: 'https://keys.invalid/',
  });
  aws.cacheJwks({ keys: [jwk] });

  let revoked = 0;
  const contenders = {
    floor: (index: number) => verify('sha256', parts[index]!.input, publicKey, parts[index]!.signature) || fail(),
    ours: (_: number, token: string) => isActive(uncached.verifier.verify(token)),
    cached: (_: number, token: string) => isActive(cached.verifier.verify(token)),
    /** Something is revoked before every second one, which is part of what is measured. */
    changing: (index: number, token: string) => {
      if (index % 2 === 0) changing.view.takeState(goneFor(`user:new_${revoked++}`));
      return isActive(changing.verifier.verify(token));
    },
    jose: (_: number, token: string) => jwtVerify(token, jwks, { issuer: ISSUER }),
    fastJwt: (_: number, token: string) => fast(token),
    fastJwtCached: (_: number, token: string) => fastCached(token),
    aws: (_: number, token: string) => aws.verifySync(token),
  };
  for (const { verifier } of [uncached, cached, changing]) await verifier.verify(tokens[0]!); // the keys are there
  const rates = await inTurns(contenders, tokens);
  const bestPeer = (names: (keyof typeof contenders)[]) =>
    names
      .map((name) => ({ name: String(name), value: rates[name] }))
      .reduce((best, next) => (next.value > best.value ? next : best));
  const peerUncached = bestPeer(['jose', 'fastJwt', 'aws']);
  const peerAgain = bestPeer(['jose', 'fastJwtCached', 'aws']);
  return [
    {
      name: 'token verification in process, each token new',
      value: rates.ours,
      unit: '/s',
      floor: rates.floor,
      peer: peerUncached,
      ratio: rates.ours / rates.floor,
      target: '≥ 0.85 of raw RS256',
      met: rates.ours / rates.floor >= 0.85,
    },
    {
      name: 'token verification in process, the same tokens again',
      value: rates.cached,
      unit: '/s',
      floor: rates.floor,
      peer: peerAgain,
      ratio: rates.cached / peerAgain.value,
      target: '≥ 5 × the best peer',
      met: rates.cached / peerAgain.value >= 5,
    },
    {
      name: 'the same tokens again, a revocation before every second',
      value: rates.changing,
      unit: '/s',
      floor: rates.floor,
      peer: peerAgain,
      ratio: rates.changing / peerAgain.value,
      target: '≥ 5 × the best peer',
      met: rates.changing / peerAgain.value >= 5,
    },
  ];
}

/**
 * Operations a second of CPU time of each, in turns; the first turns warm up. CPU time, all threads together, and not the
 * clock on the wall: others may use the machine. Each token comes as a text of its own, as from a request.
 */
async function inTurns<Name extends string>(
  contenders: Record<Name, (index: number, token: string) => unknown>,
  tokens: readonly string[],
): Promise<Record<Name, number>> {
  const names = Object.keys(contenders) as Name[];
  const rates = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  const bytes = tokens.map((token) => Buffer.from(token, 'latin1'));
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    for (const name of names) {
      const contender = contenders[name];
      const copies = bytes.map((token) => token.toString('latin1'));
      const started = process.cpuUsage();
      for (let index = 0; index < TOKENS; index++) {
        const result = contender(index, copies[index]!);
        if (result instanceof Promise) await result;
      }
      const { user, system } = process.cpuUsage(started);
      if (round >= 0) rates[name].push((TOKENS * 1_000_000) / (user + system));
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(rates[name])])) as Record<Name, number>;
}

function isActive(verdict: Verdict | Promise<Verdict>): true | Promise<true> {
  if (verdict instanceof Promise) return verdict.then(isActive) as Promise<true>;
  return verdict.kind === 'active' || fail();
}

/** With 100,000 scopes in the view that make other people's access void. */
function verifierWith(jwk: object, capacity: number): { verifier: Verifier; view: RevocationView } {
  const view = new RevocationView();
  for (let index = 0; index < 100_000; index++) {
    view.takeState(goneFor(`user:gone_${index}`));
  }
  const keys = new KeySet({
    url: 'https://keys.invalid/',
    settings: { refreshMs: 300_000, cooldownMs: 30_000, maxAgeMs: 86_400_000 },
    fetch: async () => ({ keys: [jwk] }),
    shared: { of: async () => undefined, share() {} },
    now: Date.now,
    logger: { warn() {}, info() {} },
  });
  const heartbeats = new Heartbeats();
  heartbeats.take(0, { at: new Date().toISOString(), partitions: 1, applied: {}, ends: {} }, performance.now());
  const verifier = new Verifier({
    view,
    isFresh: (now) => heartbeats.ageMs(now, performance.now()) < 3_600_000,
    providersOf: (issuer) => (issuer === ISSUER ? PROVIDERS : []),
    isCurrent: (provider) => provider === PROVIDERS[0],
    keysOf: () => keys,
    cache: new TokenCache(capacity),
    now: Date.now,
  });
  return { verifier, view };
}

const goneFor = (scope: string): ScopeStateData => ({
  scope: `idp_bench/${scope}`,
  provider_id: 'idp_bench',
  closed_at: 'infinity',
  opened_at: null,
  tokens_before: null,
  reason: 'user_deprovisioned',
  source_event_id: 'event_1',
  occurred_at: '2026-01-01T00:00:00.000Z',
});

const PROVIDERS: IdentityProviderData[] = [
  providerRecord('idp_bench', {
    issuers: [ISSUER],
    jwks_uri: 'https://keys.invalid/',
    client_id: 'client_01BENCH',
    clock_tolerance_seconds: 5,
  }),
];

function fail(): never {
  throw new Error('a good token was not accepted');
}

interface FastJwt {
  createVerifier(options: object): (token: string) => unknown;
}
interface AwsJwtVerify {
  JwtRsaVerifier: { create(options: object): { cacheJwks(jwks: object): void; verifySync(token: string): unknown } };
}
