import { createHash, createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { z } from 'zod';

/** A key of our own that signs answers, with what the world may know of it. */
export interface SigningKey {
  kid: string;
  algorithm: 'RS256' | 'ES256' | 'ES384' | 'EdDSA';
  privateKey: KeyObject;
  /** RFC 7517; public members alone. */
  publicJwk: Readonly<Record<string, unknown>>;
}

const MIN_RSA_BITS = 2_048;

/**
 * A private key as PEM (PKCS #8; line breaks may be written `\n`), as a JWK, or as a JWK Set whose first key signs while all
 * are published, so that a change of keys overlaps. Issues never carry the value.
 */
export const signingKeys = z.string().transform((text, context): SigningKey[] => {
  const problem = (message: string) => {
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  };
  const keys = privateKeysOf(text.trim());
  if (keys === undefined) return problem('must be a private key: PEM, a JWK, or a JWK Set');
  const read = keys.map(({ key, kid }) => signingKeyOf(key, kid));
  if (!read.every((key) => key !== undefined)) {
    return problem(`must be RSA of at least ${MIN_RSA_BITS} bits, EC on P-256 or P-384, or Ed25519`);
  }
  if (new Set(read.map(({ kid }) => kid)).size < read.length) return problem('has two keys of one kid');
  return read;
});

const jwk = z.looseObject({ kty: z.string(), kid: z.string().min(1).optional() });
const jwks = z.object({ keys: z.array(jwk).min(1) });

function privateKeysOf(text: string): { key: KeyObject; kid?: string | undefined }[] | undefined {
  try {
    if (!text.startsWith('{')) return [{ key: createPrivateKey(text.replaceAll('\\n', '\n')) }];
    const json: unknown = JSON.parse(text);
    const { keys } = jwks.parse(typeof json === 'object' && json !== null && 'keys' in json ? json : { keys: [json] });
    return keys.map((key) => ({
      key: createPrivateKey({ key: key as JsonWebKey, format: 'jwk' }),
      kid: key.kid,
    }));
  } catch {
    return undefined;
  }
}

function signingKeyOf(privateKey: KeyObject, kid?: string): SigningKey | undefined {
  const algorithm = algorithmOf(privateKey);
  if (algorithm === undefined) return undefined;
  const members = createPublicKey(privateKey).export({ format: 'jwk' });
  const id = kid ?? thumbprintOf(members);
  return { kid: id, algorithm, privateKey, publicJwk: { ...members, kid: id, use: 'sig', alg: algorithm } };
}

function algorithmOf({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject) {
  if (type === 'rsa') return (details?.modulusLength ?? 0) >= MIN_RSA_BITS ? 'RS256' : undefined;
  if (type === 'ed25519') return 'EdDSA';
  if (type !== 'ec') return undefined;
  if (details?.namedCurve === 'prime256v1') return 'ES256';
  return details?.namedCurve === 'secp384r1' ? 'ES384' : undefined;
}

/** RFC 7638: the required members, in the order of their names. */
function thumbprintOf(members: JsonWebKey): string {
  const { crv, e, kty, n, x, y } = members;
  const required = kty === 'RSA' ? { e, kty, n } : kty === 'EC' ? { crv, kty, x, y } : { crv, kty, x };
  return createHash('sha256').update(JSON.stringify(required)).digest('base64url');
}

const signInPool = promisify(
  (
    digest: string | null,
    bytes: Buffer,
    key: { key: KeyObject; dsaEncoding?: 'ieee-p1363' },
    done: (error: Error | null, signature: Buffer) => void,
  ) => sign(digest, bytes, key, done),
);

/** A JWS in compact serialization (RFC 7515, section 7.1); computed off the event loop. */
export async function signJws(key: SigningKey, typ: string, claims: object): Promise<string> {
  const { algorithm, kid, privateKey } = key;
  const segment = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${segment({ alg: algorithm, kid, typ })}.${segment(claims)}`;
  const digest = algorithm === 'EdDSA' ? null : `sha${algorithm.slice(2)}`;
  const encoding = algorithm.startsWith('ES') ? { dsaEncoding: 'ieee-p1363' as const } : {};
  const signature = await signInPool(digest, Buffer.from(input), { key: privateKey, ...encoding });
  return `${input}.${signature.toString('base64url')}`;
}
