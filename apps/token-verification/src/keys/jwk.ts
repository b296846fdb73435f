import { constants, createPublicKey, createVerify, type KeyObject, verify } from 'node:crypto';
import { z } from 'zod';
import type { ALGORITHMS } from '#contracts/identity-provider.js';
import { MAX_KEYS } from '#contracts/key-set.js';

export type Algorithm = (typeof ALGORITHMS)[number];

/** A public key of a JWK Set (RFC 7517) that may check signatures. */
export interface VerificationKey {
  kid: string | undefined;
  algorithms: readonly Algorithm[];
  key: KeyObject;
}

const jwk = z.looseObject({
  kty: z.string(),
  kid: z.string().optional(),
  use: z.string().optional(),
  key_ops: z.array(z.string()).optional(),
  alg: z.string().optional(),
  crv: z.string().optional(),
});
export const jwkSet = z.object({ keys: z.array(z.unknown()).max(MAX_KEYS) });

const MIN_RSA_BITS = 2_048;
const RSA: readonly Algorithm[] = ['RS256', 'RS384', 'RS512', 'PS256'];

/** Undefined for a key that is private, meant for something else, too weak, or of a kind that we do not check with. */
export function importKey(candidate: unknown): VerificationKey | undefined {
  const parsed = jwk.safeParse(candidate);
  if (!parsed.success) return undefined;
  const { kty, crv, use, key_ops, alg, kid } = parsed.data;
  if ('d' in parsed.data || (use !== undefined && use !== 'sig') || (key_ops && !key_ops.includes('verify')))
    return undefined;
  const fitting = algorithmsOf(kty, crv).filter((algorithm) => alg === undefined || alg === algorithm);
  if (fitting.length === 0) return undefined;
  try {
    const key = createPublicKey({ key: parsed.data, format: 'jwk' });
    if (kty === 'RSA' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < MIN_RSA_BITS) return undefined;
    return { kid, algorithms: fitting, key };
  } catch {
    return undefined;
  }
}

function algorithmsOf(kty: string, crv: string | undefined): readonly Algorithm[] {
  if (kty === 'RSA') return RSA;
  if (kty === 'EC' && crv === 'P-256') return ['ES256'];
  if (kty === 'EC' && crv === 'P-384') return ['ES384'];
  if (kty === 'OKP' && crv === 'Ed25519') return ['EdDSA'];
  return [];
}

const DIGEST = { RS256: 'sha256', RS384: 'sha384', RS512: 'sha512', ES256: 'sha256', ES384: 'sha384' } as const;

/**
 * RFC 7518, section 3, and RFC 8037; synchronous, since OpenSSL checks RSA five times faster so than WebCrypto does. For RSA by
 * `createVerify`, which takes a microsecond less than the one-shot `verify`; of a malformed signature by an EC key it throws.
 */
export function isSignature(algorithm: Algorithm, key: KeyObject, signed: string, signature: Buffer): boolean {
  switch (algorithm) {
    case 'RS256':
    case 'RS384':
    case 'RS512':
      return createVerify(DIGEST[algorithm]).update(signed, 'latin1').verify(key, signature);
    case 'PS256':
      return createVerify('sha256')
        .update(signed, 'latin1')
        .verify({ key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }, signature);
    case 'ES256':
    case 'ES384':
      return verify(DIGEST[algorithm], Buffer.from(signed, 'latin1'), { key, dsaEncoding: 'ieee-p1363' }, signature);
    case 'EdDSA':
      return verify(null, Buffer.from(signed, 'latin1'), key, signature);
  }
}
