import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { namedSecrets } from '#platform/config.js';

/** `RESCIND_ENCRYPTION_KEYS=<key id>:<base64 of 32 bytes>[,…]`: the first one seals, every one opens (rotation). */
export const encryptionKeys = namedSecrets
  .pipe(
    z
      .array(
        z.object({ name: z.string().regex(/^[\w-]+$/, 'a key id is letters, digits, _ and -'), secret: z.string() }),
      )
      .min(1),
  )
  .transform((keys, context) =>
    keys.map(({ name, secret }) => {
      const key = Buffer.from(secret, 'base64');
      if (key.length !== 32) {
        context.addIssue({
          code: 'custom',
          message: `key ${name} must be base64 of 32 bytes (openssl rand -base64 32)`,
        });
        return z.NEVER;
      }
      return { id: name, key };
    }),
  );
export type EncryptionKeys = z.infer<typeof encryptionKeys>;

/** No key that we hold opens it, or it was changed, or it belongs to somebody else. */
export class CannotUnseal extends Error {
  override readonly name = 'CannotUnseal';
}

const FORMAT = 'v1';

/**
 * AES-256-GCM with a random 96-bit nonce (NIST SP 800-38D): `v1.<key id>.<nonce>.<ciphertext and tag>`, base64url.
 * @param owner bound in as additional data: what is sealed for one owner cannot be pasted under another.
 */
export function seal(secret: string, owner: string, keys: EncryptionKeys): string {
  const [current] = keys;
  if (!current) throw new Error('there is no encryption key');
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', current.key, nonce).setAAD(Buffer.from(owner));
  const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return [FORMAT, current.id, nonce.toString('base64url'), sealed.toString('base64url')].join('.');
}

/** Throws {@link CannotUnseal}; never says what was sealed. */
export function unseal(sealed: string, owner: string, keys: EncryptionKeys): string {
  const [format, keyId, nonce, body, ...rest] = sealed.split('.');
  const key = keys.find(({ id }) => id === keyId);
  if (format !== FORMAT || !nonce || !body || rest.length > 0) throw new CannotUnseal('not a sealed secret');
  if (!key) throw new CannotUnseal(`RESCIND_ENCRYPTION_KEYS lacks the key ${keyId}`);
  const bytes = Buffer.from(body, 'base64url');
  try {
    const decipher = createDecipheriv('aes-256-gcm', key.key, Buffer.from(nonce, 'base64url'), { authTagLength: 16 })
      .setAAD(Buffer.from(owner))
      .setAuthTag(bytes.subarray(-16));
    return Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]).toString('utf8');
  } catch {
    throw new CannotUnseal('it was changed, or sealed for another owner');
  }
}

/** The id of the key that it is sealed with; undefined where it is nothing sealed. */
export const sealingKeyOf = (sealed: string): string | undefined => sealed.split('.')[1];

/** Owners of sealed secrets, so that the portal and the readers agree. */
export const apiKeyOwner = (providerId: string): string => `${providerId}/api-key`;
export const webhookSecretOwner = (providerId: string, secretId: string): string =>
  `${providerId}/webhook-secret/${secretId}`;
