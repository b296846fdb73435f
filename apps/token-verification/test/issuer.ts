import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { IdentityProviderData } from '#contracts/identity-provider.js';
import { providerRecord } from '#testing/provider-record.js';

/** A client of WorkOS with a key of its own; RSA keys take a while, so they are made once. */
export interface Issuer {
  issuer: string;
  clientId: string;
  kid: string;
  privateKey: KeyObject;
  publicKey: KeyObject;
  jwk: Record<string, unknown>;
}

export function makeIssuer(clientId: string, kid: string, kind: 'rsa' | 'ec' | 'ed25519' = 'rsa'): Issuer {
  const { privateKey, publicKey } =
    kind === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2_048 })
      : kind === 'ec'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('ed25519');
  const alg = kind === 'rsa' ? 'RS256' : kind === 'ec' ? 'ES256' : 'EdDSA';
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg };
  return { issuer: `https://api.workos.com/user_management/${clientId}`, clientId, kid, privateKey, publicKey, jwk };
}

export const base64url = (value: string | Buffer): string => Buffer.from(value).toString('base64url');

export const signRs256 = (input: string, key: KeyObject): string =>
  sign('sha256', Buffer.from(input), key).toString('base64url');
export const signHs256 = (input: string, secret: string | Buffer): string =>
  createHmac('sha256', secret).update(input).digest('base64url');

/** Signs whatever stands there, JSON or not. */
export function rawToken(header: string, payload: string, key: KeyObject): string {
  const input = `${base64url(header)}.${base64url(payload)}`;
  return `${input}.${signRs256(input, key)}`;
}

export function token(issuer: Issuer, claims: Record<string, unknown>, header: Record<string, unknown> = {}): string {
  return rawToken(
    JSON.stringify({ alg: 'RS256', typ: 'JWT', kid: issuer.kid, ...header }),
    JSON.stringify(claims),
    issuer.privateKey,
  );
}

/** As AuthKit mints them, at `now` (ms). */
export function claimsOf(issuer: Issuer, now: number, over: Record<string, unknown> = {}): Record<string, unknown> {
  const iat = Math.floor(now / 1_000);
  const claims: Record<string, unknown> = {
    iss: issuer.issuer,
    sub: 'user_01ALICE',
    sid: 'session_01A',
    org_id: 'org_01ACME',
    jti: '01JWT',
    iat,
    exp: iat + 300,
    ...over,
  };
  for (const [name, value] of Object.entries(claims)) if (value === undefined) delete claims[name];
  return claims;
}

export function providerOf(issuer: Issuer, over: Partial<IdentityProviderData> = {}): IdentityProviderData {
  return providerRecord(`idp_${issuer.clientId}`, {
    name: issuer.clientId,
    issuers: [issuer.issuer],
    jwks_uri: `https://keys.test/${issuer.clientId}`,
    client_id: issuer.clientId,
    audience: [issuer.clientId],
    clock_tolerance_seconds: 5,
    ...over,
  });
}
