import { generateKeyPair, type JsonWebKey, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { newId } from './ids.js';

const generate = promisify(generateKeyPair);

export interface SigningKey {
  kid: string;
  privateKey: KeyObject;
  jwk: JsonWebKey;
}

/** The keys of the client. The newest signs; all that were not withdrawn are published. */
export class SigningKeys {
  #keys: SigningKey[] = [];

  static async create(): Promise<SigningKeys> {
    const keys = new SigningKeys();
    await keys.rotate();
    return keys;
  }

  get current(): SigningKey {
    return this.#keys.at(-1)!;
  }

  /** Adds a key, which signs from now on; the older ones stay published. */
  async rotate(): Promise<SigningKey> {
    const { publicKey, privateKey } = await generate('rsa', { modulusLength: 2048 });
    const kid = newId('sso_oidc_key_pair');
    const jwk = { alg: 'RS256', use: 'sig', kid, ...publicKey.export({ format: 'jwk' }) };
    const key = { kid, privateKey, jwk };
    this.#keys.push(key);
    return key;
  }

  /** Publishes it no longer. The key that signs stays; false for that one and for an unknown one. */
  withdraw(kid: string): boolean {
    if (kid === this.current.kid || !this.#keys.some((key) => key.kid === kid)) return false;
    this.#keys = this.#keys.filter((key) => key.kid !== kid);
    return true;
  }

  get published(): { keys: JsonWebKey[] } {
    return { keys: this.#keys.map(({ jwk }) => jwk) };
  }
}
