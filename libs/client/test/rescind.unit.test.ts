import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT } from 'jose';
import {
  admit,
  type Claims,
  createRescind,
  NotAdmitted,
  type Provider,
  type Rescind,
  RescindUnknown,
  type Sink,
  stateRecords,
} from '#client/index.js';
import { FOR_EVER, NEVER } from '#contracts/moment.js';
import { HEARTBEAT_TYPE, SCOPE_STATE_TYPE } from '#contracts/record-types.js';

const ISSUER = 'https://api.workos.test/user_management/client_1';
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
let keys: Server;
let jwksUri: string;
let keysAsked = 0;

beforeAll(async () => {
  keys = createServer((request, response) => {
    keysAsked += 1;
    if (request.url === '/broken') response.statusCode = 500;
    response.end(JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'key_1', alg: 'ES256' }] }));
  });
  await new Promise<void>((resolve) => keys.listen(0, '127.0.0.1', resolve));
  jwksUri = `http://127.0.0.1:${(keys.address() as AddressInfo).port}/`;
});

afterAll(() => {
  keys.closeAllConnections();
  keys.close();
});

const closed = { closedAt: FOR_EVER, openedAt: NEVER, tokensBefore: NEVER };
const closing = { reason: 'user_deprovisioned', sourceEventId: 'event_1', occurredAt: 0 };
const now = (): number => Math.floor(Date.now() / 1_000);
const claimsOf = (over: Claims = {}): Claims => ({
  iss: ISSUER,
  sub: 'user_1',
  org_id: 'org_1',
  sid: 'session_1',
  iat: now(),
  exp: now() + 300,
  ...over,
});
const signed = (over: Claims = {}, key: KeyObject = privateKey): Promise<string> =>
  new SignJWT(JSON.parse(JSON.stringify(claimsOf(over))) as Record<string, unknown>)
    .setProtectedHeader({ alg: 'ES256', kid: 'key_1' })
    .sign(key);

/** A client whose source the test plays. */
function clientOf(over: Partial<Provider> = {}, more: Provider[] = []) {
  let sink!: Sink;
  const problems: Error[] = [];
  const provider: Provider = { id: 'idp_1', issuers: [ISSUER], jwksUri, algorithms: ['ES256'], clientId: 'client_1' };
  const rescind: Rescind = createRescind({
    source: { open: (given) => void (sink = given), close: async () => undefined },
    providers: [{ ...provider, ...over }, ...more],
    maxStalenessMs: 60_000,
    onProblem: (error) => void problems.push(error),
  });
  const prove = (at = new Date(), ageMs = 0, receivedAt = performance.now()): void =>
    sink.proved({ at: at.toISOString(), ageMs, receivedAt });
  return { rescind, sink, prove, problems, close: (scope: string) => sink.state(scope, { ...closed, closing }) };
}

test('before there is a proof nothing is known, neither of claims nor of tokens', async () => {
  const { rescind, prove, close } = clientOf();
  close('idp_1/user:user_1');
  expect(() => rescind.isRevoked(claimsOf())).toThrow(RescindUnknown);
  expect(rescind.verify(await signed())).toEqual({ kind: 'unknown', code: 'view_stale' });
  await expect(rescind.ready(1)).rejects.toThrow(RescindUnknown);
  const ready = rescind.ready();
  prove();
  await ready;
  expect(rescind.isRevoked(claimsOf())).toEqual({ reason: 'user_deprovisioned', scope: 'idp_1/user:user_1' });
});

test.each([
  ['by the clock on the wall', (prove: Prove) => prove(new Date(Date.now() - 61_000))],
  ['by what its sender says', (prove: Prove) => prove(new Date(), 61_000)],
  ['by the time since it came in', (prove: Prove) => prove(new Date(), 0, performance.now() - 61_000)],
])('a proof that is too old %s is none, and a later one does not make it younger', async (_, proveOld) => {
  const { rescind, prove } = clientOf();
  proveOld(prove);
  expect(rescind.isFresh()).toBe(false);
  expect(rescind.verify(await signed())).toEqual({ kind: 'unknown', code: 'view_stale' });
});
type Prove = (at?: Date, ageMs?: number, receivedAt?: number) => void;

test('a proof of an earlier moment takes nothing back, and what is no time proves nothing', () => {
  const { rescind, prove, sink } = clientOf();
  sink.proved({ at: 'soon', ageMs: 0, receivedAt: performance.now() });
  expect(rescind.asOf()).toBeNull();
  const at = new Date();
  prove(at);
  prove(new Date(at.getTime() - 1_000));
  expect(rescind.asOf()).toBe(at.toISOString());
});

test('each of the four scopes voids, by the issue time, and what is opened again lets new tokens in', () => {
  const { rescind, prove, sink, close } = clientOf();
  prove();
  for (const [scope, over] of [
    ['user:u', { sub: 'u' }],
    ['org:o', { org_id: 'o' }],
    ['membership:m:o2', { sub: 'm', org_id: 'o2' }],
    ['session:s', { sid: 's' }],
  ] as const) {
    expect(rescind.isRevoked(claimsOf(over))).toBeUndefined();
    close(`idp_1/${scope}`);
    expect(rescind.isRevoked(claimsOf(over))).toMatchObject({ scope: `idp_1/${scope}` });
  }
  const at = now() * 1_000;
  const scope = 'idp_1/user:back';
  sink.state(scope, { closedAt: at - 5_000, openedAt: NEVER, tokensBefore: NEVER, closing });
  sink.state(scope, { closedAt: NEVER, openedAt: at - 4_000, tokensBefore: NEVER, closing: null });
  sink.state(scope, { closedAt: at - 9_000, openedAt: NEVER, tokensBefore: NEVER, closing }); // late
  expect(rescind.isRevoked(claimsOf({ sub: 'back', iat: at / 1_000 - 5 }))).toMatchObject({ scope });
  expect(rescind.isRevoked(claimsOf({ sub: 'back', iat: at / 1_000 - 4 }))).toBeUndefined();
});

test('claims that do not say whose they are let nobody in', () => {
  const { rescind, prove } = clientOf();
  prove();
  for (const iss of ['https://elsewhere.test', 'constructor', undefined, 7]) {
    expect(rescind.isRevoked(claimsOf({ iss }))).toEqual({ reason: 'issuer_unknown' });
  }
  for (const missing of [{ sub: undefined }, { iat: undefined }]) {
    expect(rescind.isRevoked(claimsOf(missing))).toEqual({ reason: 'claim_missing' });
  }
  for (const broken of [
    { iat: 'now' },
    { sub: 7 },
    { org_id: '' },
    { sid: ['x'] },
    { sub: 'x'.repeat(256) },
    { sub: 'x\0' },
  ]) {
    expect(rescind.isRevoked(claimsOf(broken))).toEqual({ reason: 'malformed' });
  }
});

test('the signature is checked once; revocation and times each time', async () => {
  const { rescind, prove, close } = clientOf();
  prove();
  const token = await signed();
  expect(await rescind.verify(token)).toMatchObject({
    kind: 'active',
    holder: { providerId: 'idp_1', userId: 'user_1', organizationId: 'org_1', sessionId: 'session_1' },
  });
  expect(rescind.verify(token)).toMatchObject({ kind: 'active' }); // no promise: it was remembered
  close('idp_1/session:session_1');
  expect(rescind.verify(token)).toEqual({ kind: 'refused', reason: 'user_deprovisioned' });
  const other = await signed({ sid: 'session_2' });
  expect(await rescind.verify(other)).toMatchObject({ kind: 'active' });
  const { now: realNow } = Date;
  Date.now = () => realNow() + 400_000;
  try {
    prove(new Date(Date.now()));
    expect(rescind.verify(other)).toEqual({ kind: 'refused', reason: 'expired' });
  } finally {
    Date.now = realNow;
  }
});

test.each<[string, Claims, string]>([
  ['expired', { exp: now() - 100 }, 'expired'],
  ['not yet valid', { nbf: now() + 100 }, 'not_yet_valid'],
  ['issued in the future', { iat: now() + 100 }, 'not_yet_valid'],
  ['of another issuer', { iss: 'https://elsewhere.test' }, 'issuer_unknown'],
  ['without a session', { sid: undefined }, 'claim_missing'],
  ['without an end', { exp: undefined }, 'claim_missing'],
  ['for somebody else', { aud: 'client_2' }, 'audience_mismatch'],
  ['of another client', { client_id: 'client_2' }, 'audience_mismatch'],
  ['of somebody who acts as another', { act: { sub: 'admin' } }, 'claim_not_allowed'],
])('a token %s is refused as the service does', async (_, over, reason) => {
  const { rescind, prove } = clientOf();
  prove();
  expect(await rescind.verify(await signed(over))).toEqual({ kind: 'refused', reason });
});

test('what is no good token is refused, and what cannot be checked is not known', async () => {
  const { rescind, prove } = clientOf();
  prove();
  const good = await signed();
  const [header, payload, signature] = good.split('.') as [string, string, string];
  expect(await rescind.verify(await signed({}, stranger))).toEqual({ kind: 'refused', reason: 'signature_invalid' });
  expect(await rescind.verify('rubbish')).toEqual({ kind: 'refused', reason: 'malformed' });
  expect(await rescind.verify('x'.repeat(20_000))).toEqual({ kind: 'refused', reason: 'malformed' });
  const none = Buffer.from('{"alg":"none"}').toString('base64url');
  for (const token of [`${none}.${payload}.`, `${none}.${payload}.${signature}`]) {
    expect(await rescind.verify(token)).toMatchObject({ kind: 'refused' });
  }
  // Another token that ends like one that is remembered.
  await rescind.verify(good);
  const forged = Buffer.from(JSON.stringify(claimsOf({ sub: 'user_2' }))).toString('base64url');
  expect(await rescind.verify(`${header}.${forged}.${signature}`)).toEqual({
    kind: 'refused',
    reason: 'signature_invalid',
  });

  const broken = clientOf({ jwksUri: `${jwksUri}broken` });
  broken.prove();
  expect(await broken.rescind.verify(good)).toEqual({ kind: 'unknown', code: 'keys_unavailable' });
  expect(broken.problems).toHaveLength(1);
});

test('two providers of one issuer: whose keys fit, theirs it is; one that cannot be asked may be the one', async () => {
  const other: Provider = { id: 'idp_2', issuers: [ISSUER], jwksUri, algorithms: ['ES256'] };
  const { rescind, prove, close } = clientOf({ algorithms: ['RS256'] }, [other]);
  prove();
  expect(await rescind.verify(await signed())).toMatchObject({ kind: 'active', holder: { providerId: 'idp_2' } });
  close('idp_1/user:user_1');
  // Nobody has said whose these claims are.
  expect(rescind.isRevoked(claimsOf())).toMatchObject({ scope: 'idp_1/user:user_1' });

  const away = clientOf({ jwksUri: `${jwksUri}broken` }, [{ ...other, algorithms: ['RS256'] }]);
  away.prove();
  expect(await away.rescind.verify(await signed())).toEqual({ kind: 'unknown', code: 'keys_unavailable' });
});

test('keys come over https, and are public ones', () => {
  expect(() => clientOf({ jwksUri: 'http://keys.test/' })).toThrow('https');
  expect(() => clientOf({ algorithms: ['HS256'] })).toThrow('public key');
});

test('as_of: whoever asks for a later moment waits for it, and not for ever', async () => {
  const { rescind, prove } = clientOf();
  prove(new Date(Date.now() - 1_000));
  const later = new Date();
  const reached = rescind.atLeast(later.toISOString(), 60_000);
  prove(later);
  await reached;
  await expect(rescind.atLeast(new Date(Date.now() + 1_000).toISOString(), 1)).rejects.toThrow(RescindUnknown);
  await expect(rescind.atLeast('soon')).rejects.toThrow(TypeError);
});

test('who is not let in is told why: 401 by RFC 6750, or 503', async () => {
  const { rescind, prove, sink } = clientOf();
  expect(() => admit(rescind, undefined)).toThrow(NotAdmitted);
  const refusal = async (authorization: string): Promise<object> => {
    try {
      return await admit(rescind, authorization);
    } catch (error) {
      const { statusCode, code, headers } = error as NotAdmitted;
      return { statusCode, code, headers };
    }
  };
  const token = await signed();
  expect(await refusal(`Bearer ${token}`)).toMatchObject({ statusCode: 503, code: 'view_stale' });
  prove();
  expect(await refusal(`Bearer ${token}`)).toMatchObject({ userId: 'user_1' });
  const reason = 'left "us"\r\nset-cookie: x';
  sink.state('idp_1/user:user_1', { ...closed, closing: { ...closing, reason } });
  expect(await refusal(`Bearer ${token}`)).toEqual({
    statusCode: 401,
    code: reason,
    headers: { 'www-authenticate': 'Bearer error="invalid_token", error_description="left usset-cookie x"' },
  });
});

test('a view that grew old while the keys were fetched says nothing', async () => {
  const { rescind, prove } = clientOf();
  prove();
  const verdict = rescind.verify(await signed());
  expect(verdict).toBeInstanceOf(Promise);
  await rescind.close(); // from now on it is not fresh
  expect(await verdict).toEqual({ kind: 'unknown', code: 'view_stale' });
});

describe('where the providers are left out', () => {
  const told: Provider = {
    id: 'idp_1',
    issuers: [ISSUER],
    jwksUri: '',
    algorithms: ['ES256'],
    audience: ['api://a'],
  };
  function followingClient() {
    let sink!: Sink;
    const problems: Error[] = [];
    const rescind = createRescind({
      source: { tellsProviders: true, open: (given) => void (sink = given), close: async () => undefined },
      maxStalenessMs: 60_000,
      onProblem: (error) => void problems.push(error),
    });
    sink.proved({ at: new Date().toISOString(), ageMs: 0, receivedAt: performance.now() });
    const tell = (...over: Partial<Provider>[]): void =>
      sink.providers(over.map((one) => ({ ...told, jwksUri, ...one })));
    return { rescind, tell, problems };
  }

  test('nothing is known before they are told; then each change counts at once, also for a token that was checked', async () => {
    const { rescind, tell } = followingClient();
    const token = await signed({ aud: 'api://a' });
    expect(await rescind.verify(token)).toEqual({ kind: 'unknown', code: 'view_stale' });
    expect(() => rescind.isRevoked(claimsOf())).toThrow(RescindUnknown);
    tell({});
    expect(await rescind.verify(token)).toMatchObject({ kind: 'active' });
    const asked = keysAsked;
    tell({});
    expect(await rescind.verify(token)).toMatchObject({ kind: 'active' });
    expect(keysAsked).toBe(asked);
    tell({ audience: ['api://b'] });
    expect(await rescind.verify(token)).toEqual({ kind: 'refused', reason: 'audience_mismatch' });
    tell({ requiredClaims: ['jti'] });
    expect(await rescind.verify(token)).toEqual({ kind: 'refused', reason: 'claim_missing' });
    tell({ claimsConfirmed: false });
    expect(await rescind.verify(token)).toEqual({ kind: 'refused', reason: 'claim_mapping_unconfirmed' });
    tell();
    expect(await rescind.verify(token)).toEqual({ kind: 'refused', reason: 'issuer_unknown' });
    expect(rescind.isRevoked(claimsOf())).toEqual({ reason: 'issuer_unknown' });
  });

  test('what is changed while keys are fetched counts', async () => {
    const { rescind, tell } = followingClient();
    tell({});
    const verdict = rescind.verify(await signed({ aud: 'api://a' }));
    tell();
    expect(await verdict).toEqual({ kind: 'refused', reason: 'issuer_unknown' });
  });

  test('one that cannot be used is said, and the others serve', async () => {
    const { rescind, tell, problems } = followingClient();
    tell({ id: 'idp_2', issuers: ['https://other.test'], jwksUri: 'http://other.test/keys' }, {});
    expect(problems.map(({ message }) => message)).toEqual(['jwksUri must be https; plain http only on this machine']);
    expect(await rescind.verify(await signed({ aud: 'api://a' }))).toMatchObject({ kind: 'active' });
  });

  test('a source that tells none needs them named', () => {
    const source = { open: () => undefined, close: async () => undefined };
    expect(() => createRescind({ source })).toThrow('name the providers');
  });

  test('where they are named, what the source tells changes nothing', () => {
    const { rescind, sink, prove } = clientOf();
    prove();
    sink.providers([]);
    expect(rescind.isRevoked(claimsOf())).toBeUndefined();
  });
});

test('after it was closed nothing is known', async () => {
  const { rescind, prove } = clientOf();
  prove();
  await rescind.close();
  expect(() => rescind.isRevoked(claimsOf())).toThrow(RescindUnknown);
});

describe('records of Kafka', () => {
  const at = '2026-11-28T09:00:00.000Z';
  const bytes = (type: string, data: object): Uint8Array => Buffer.from(JSON.stringify({ type, data }));
  const beat = (over: object = {}): Uint8Array =>
    bytes(HEARTBEAT_TYPE, { at, partitions: 2, applied: { 0: '5' }, ends: { 0: '5' }, ...over });
  function taken() {
    const states: string[] = [];
    const proofs: string[] = [];
    const records = stateRecords({
      state: (scope) => void states.push(scope),
      proved: (proof) => void proofs.push(proof.at),
    });
    return { records, states, proofs };
  }

  test('proved is what the heartbeats of all partitions prove, and events that are no states yet', () => {
    const { records, proofs } = taken();
    records.take(0, beat());
    expect(proofs).toEqual([]);
    records.take(1, beat());
    expect(proofs).toEqual([at]);
    const later = '2026-11-28T09:00:01.000Z';
    for (const partition of [0, 1]) records.take(partition, beat({ at: later, ends: { 0: '6' } }));
    expect(proofs.at(-1)).toBe(at);
    const last = '2026-11-28T09:00:02.000Z';
    for (const partition of [0, 1]) records.take(partition, beat({ at: last, applied: { 0: '6' }, ends: { 0: '6' } }));
    expect(proofs.at(-1)! > at).toBe(true);
  });

  test('what is not understood is thrown', () => {
    const { records, states } = taken();
    const state = { scope: 'idp_1/user:u', closed_at: at, opened_at: null, tokens_before: null };
    const whole = { ...state, reason: 'x', source_event_id: null, occurred_at: at };
    records.take(0, bytes(SCOPE_STATE_TYPE, whole));
    expect(states).toEqual(['idp_1/user:u']);
    for (const broken of [
      Buffer.from('no JSON'),
      bytes('another', whole),
      bytes(SCOPE_STATE_TYPE, { ...whole, closed_at: 'soon' }),
      bytes(SCOPE_STATE_TYPE, { ...whole, closed_at: undefined }),
      bytes(SCOPE_STATE_TYPE, { ...whole, scope: '' }),
      beat({ at: 7 }),
      beat({ partitions: 0 }),
      beat({ applied: { 0: 'x' } }),
    ]) {
      expect(() => records.take(0, broken)).toThrow();
    }
    expect(states).toHaveLength(1);
  });
});
