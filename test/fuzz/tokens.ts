import { deepStrictEqual, strictEqual } from 'node:assert/strict';
import { sign } from 'node:crypto';
import fc from 'fast-check';
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { bearerToken } from '#platform/api-key.guard.js';
import { bytesNear, type FuzzTarget, hostileJson, jsonNear, mutations } from '#testing/fuzz.js';
import { clientCredentials } from '../../apps/token-verification/src/domain/client-credentials.js';
import { parseToken } from '#providers/parse-token.js';
import { importKey, isSignature } from '../../apps/token-verification/src/keys/jwk.js';
import { base64url, claimsOf, makeIssuer, providerOf } from '../../apps/token-verification/test/issuer.js';
import { worldOf } from '../../apps/token-verification/test/verifier-of.js';

const NOW = Date.parse('2026-11-24T10:00:00.500Z');
const ours = makeIssuer('client_01OURS', 'key_1', 'ed25519');
const header = { alg: 'EdDSA', typ: 'JWT', kid: ours.kid };
const claims = claimsOf(ours, NOW, { aud: [ours.clientId, 'https://api.test'], client_id: ours.clientId, nbf: 1 });

function signed(head: string, payload: string): string {
  const input = `${base64url(head)}.${base64url(payload)}`;
  return `${input}.${sign(null, Buffer.from(input), ours.privateKey).toString('base64url')}`;
}

const plain = claimsOf(ours, NOW);
const rich = { ...plain, act: { sub: 'x' }, permissions: ['a', 'b'], o: { id: 'org_1', rol: 'admin' } };
const genuine = [claims, plain].map((payload) => signed(JSON.stringify(header), JSON.stringify(payload)));
const samples = [...genuine, signed(JSON.stringify(header), JSON.stringify(rich))].map((token) => Buffer.from(token));

const world = (cache: number) =>
  worldOf(
    NOW,
    [providerOf(ours, { algorithms: ['EdDSA'], audience_policy: 'if_present' })],
    { [`https://keys.test/${ours.clientId}`]: [ours.jwk] },
    cache,
  );

/** Taken apart as jose takes it apart, and put together again the same text; or refused. */
const tokenParser: FuzzTarget = {
  name: 'token parser',
  inputs: bytesNear(samples),
  check(input) {
    const text = input.toString('latin1');
    const parsed = parseToken(text);
    if (parsed === undefined) return;
    strictEqual(`${parsed.signingInput}.${parsed.signature.toString('base64url')}`, text);
    deepStrictEqual({ ...parsed.header }, { ...decodeProtectedHeader(text) });
    deepStrictEqual({ ...parsed.claims }, { ...decodeJwt(text) });
    strictEqual(typeof parsed.header.alg, 'string');
    for (const name of ['crit', 'b64', 'enc', 'zip']) strictEqual(name in parsed.header, false);
  },
};

const remembering = world(100);
/** Nobody gets in with anything but the very token that was signed, whether or not that one was seen before. */
const changedToken: FuzzTarget = {
  name: 'changed token',
  inputs: mutations(samples),
  async check(input) {
    const text = input.toString('latin1');
    const verdict = await remembering.verifier.verify(text);
    strictEqual(verdict.kind, genuine.includes(text) ? 'active' : 'refused');
    strictEqual((await remembering.verifier.verify(genuine[0]!)).kind, 'active');
  },
};

const forgetful = world(0);
const jws = fc
  .tuple(
    fc.oneof({ weight: 3, arbitrary: fc.constant(JSON.stringify(header)) }, hostileJson([header])),
    hostileJson([claims, plain, rich]),
  )
  .map(([head, payload]) => Buffer.from(signed(head, payload)));

/** Signed by the issuer itself, with whatever claims: active only if jose says so too, and of somebody. */
const hostileClaims: FuzzTarget = {
  name: 'hostile claims, rightly signed',
  inputs: jws,
  async check(input) {
    const text = input.toString('latin1');
    const verdict = await forgetful.verifier.verify(text);
    strictEqual(verdict.kind === 'unknown', false);
    if (verdict.kind !== 'active') return;
    const { payload, protectedHeader } = await jwtVerify(text, ours.publicKey, {
      issuer: ours.issuer,
      algorithms: ['EdDSA'],
      currentDate: new Date(NOW),
      clockTolerance: 5,
      requiredClaims: ['exp', 'iat', 'sub', 'sid'],
    });
    const { subject } = verdict.verified;
    strictEqual(subject.userId, payload.sub);
    strictEqual(subject.userId.length > 0 && subject.userId.length <= 255, true);
    strictEqual(payload['act'], undefined);
    strictEqual('crit' in protectedHeader, false);
    strictEqual(Number.isFinite(subject.issuedAt) && Number.isFinite(subject.expiresAt), true);
    const audience = [payload.aud ?? ours.clientId].flat();
    strictEqual(audience.includes(ours.clientId), true);
    strictEqual(payload['client_id'] ?? ours.clientId, ours.clientId);
    strictEqual(
      JSON.stringify([subject.organizationId, subject.sessionId]),
      JSON.stringify([payload['org_id'] ?? undefined, payload['sid']]),
    );
  },
};

/** `Authorization: Bearer …` of forward-auth: one token without white space that stands in the header as it is, or none. */
const forwardAuthHeader: FuzzTarget = {
  name: 'forward-auth header',
  inputs: bytesNear(samples.map((token) => Buffer.concat([Buffer.from('Bearer '), token]))),
  check(input) {
    const text = input.toString('latin1');
    const token = bearerToken(text);
    if (token === undefined) return;
    strictEqual(/\s/.test(token) || token === '', false);
    strictEqual(text.slice(6).trim(), token);
    strictEqual(text.slice(0, 7).toLowerCase(), 'bearer ');
  },
};

const basic = (id: string, secret: string): Buffer =>
  Buffer.from(`Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`);

/** Client authentication of introspection: only the bytes that say this client and this secret are taken for them. */
const introspectionHeader: FuzzTarget = {
  name: 'introspection header',
  inputs: bytesNear([basic('gateway', 's3cret:with/odd+signs'), basic('a', 'b')]),
  check(input) {
    const text = input.toString('latin1');
    const claim = clientCredentials(text, {});
    if (typeof claim === 'string') return strictEqual(claim, 'none');
    strictEqual(claim.id !== '' && claim.secret !== '', true);
    // Whoever reads it as RFC 6749 says comes to the same two texts.
    const [, encoded = ''] = /^Basic (.*)$/i.exec(text) ?? [];
    const read = new URLSearchParams(
      `x=${Buffer.from(encoded, 'base64').toString('utf8').replace(':', '&y=').replaceAll(';', '%3B')}`,
    );
    if (
      !Buffer.from(encoded, 'base64').includes(0x26) &&
      !/%(?![0-9a-f]{2})/i.test(Buffer.from(encoded, 'base64').toString())
    ) {
      deepStrictEqual({ id: read.get('x'), secret: read.get('y') }, claim);
    }
  },
};

/** The body of introspection as a form parser hands it over: texts, lists, nothing; never two ways at once. */
const introspectionBody: FuzzTarget = {
  name: 'introspection body',
  inputs: jsonNear([
    { client_id: 'gateway', client_secret: 's3cret', token: 'x' },
    { client_id: 'gateway', token: 'x' },
  ]),
  check(input) {
    let body: unknown;
    try {
      body = JSON.parse(input.toString('utf8'));
    } catch {
      return;
    }
    if (typeof body !== 'object' || body === null) return;
    const given = body as Record<string, unknown>;
    const posted = clientCredentials(undefined, given);
    if (typeof posted !== 'string') {
      deepStrictEqual([given['client_id'], given['client_secret']], [posted.id, posted.secret]);
    }
    const both = clientCredentials(basic('gateway', 'b').toString(), given);
    if (typeof both === 'string') return;
    deepStrictEqual(both, { id: 'gateway', secret: 'b' });
    strictEqual(given['client_secret'], undefined);
    strictEqual([undefined, 'gateway'].includes(given['client_id'] as string | undefined), true);
  },
};

const keys = (['rsa', 'ec', 'ed25519'] as const).map((kind) => makeIssuer('client', 'key', kind).jwk);

/** A member of a key set: a public key that can check signatures, and with which nothing can be forged; or no key. */
const jwkMember: FuzzTarget = {
  name: 'key of a key set',
  inputs: jsonNear(keys),
  check(input) {
    let jwk: unknown;
    try {
      jwk = JSON.parse(input.toString('utf8'));
    } catch {
      return;
    }
    const found = importKey(jwk);
    if (found === undefined) return;
    strictEqual(found.key.type, 'public');
    strictEqual(found.algorithms.length > 0, true);
    strictEqual(found.kid === undefined || typeof found.kid === 'string', true);
    for (const algorithm of found.algorithms) {
      for (const forged of [Buffer.alloc(0), Buffer.alloc(64), Buffer.alloc(256)]) {
        strictEqual(isSignature(algorithm, found.key, 'a.b', forged), false);
      }
    }
  },
};

export const tokenTargets: FuzzTarget[] = [
  tokenParser,
  changedToken,
  hostileClaims,
  forwardAuthHeader,
  introspectionHeader,
  introspectionBody,
  jwkMember,
];
