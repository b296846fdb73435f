import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, exportJWK, type JWK, type JWTPayload, SignJWT } from 'jose';
import type { Database } from '#platform/database.js';
import { rowsOf, type Tx } from '#platform/sql.js';
import { type EncryptionKeys, seal, sealingKeyOf, unseal } from '#providers/sealing.js';
import { SIGNING_KEY_LOCK } from '../signals-schema.js';

/** The one that the CAEP Interoperability Profile demands (section 2.6), with keys of at least 2048 bits. */
const ALGORITHM = 'RS256';
const MODULUS_BITS = 2_048;
/** How long a key is published after another one has taken its place: longer than anything waits to be delivered. */
const PUBLISHED_FOR = `interval '30 days'`;
/** How old what is known of the keys may be; a new one is published for far longer before it signs. */
const FRESH_MS = 10_000;

interface KeyRow {
  kid: string;
  sealed: string;
  public_jwk: JWK;
  signs: boolean;
  published: boolean;
}

interface KnownKeys {
  readAt: number;
  signing: { kid: string; key: KeyObject };
  published: JWK[];
}

const ownerOf = (kid: string): string => `signals/signing-key/${kid}`;

/** The keys that sign SETs and logout tokens: in the database, sealed, so that all replicas sign alike. */
export class Signing {
  private known: KnownKeys | undefined;

  constructor(
    private readonly database: Database,
    private readonly encryption: EncryptionKeys,
    /** How long a key is published before it signs, seconds. */
    private readonly overlapSeconds: number,
  ) {}

  /** A JWS (RFC 7515) of these claims. Throws `DatabaseUnavailable`. */
  async sign(typ: string, claims: JWTPayload): Promise<string> {
    const { signing } = await this.keys();
    return new SignJWT(claims).setProtectedHeader({ alg: ALGORITHM, kid: signing.kid, typ }).sign(signing.key);
  }

  /** What receivers check with (RFC 7517). Throws `DatabaseUnavailable`. */
  async jwks(): Promise<{ keys: JWK[] }> {
    return { keys: (await this.keys()).published };
  }

  /** Makes a key that takes over once everybody has it. Answers its id. */
  async rotate(): Promise<string> {
    const kid = await this.database.transaction(async (tx) => {
      await lockKeys(tx);
      // The first one has nothing to overlap with: it signs at once.
      return this.insertKey(tx, (await readKeys(tx)).some(({ signs }) => signs) ? this.overlapSeconds : 0);
    });
    this.known = undefined;
    return kid;
  }

  /** Seals with the current key what is still sealed with an earlier one. */
  async reseal(): Promise<void> {
    await this.database.transaction(async (tx) => {
      const rows = await rowsOf<{ kid: string; sealed: string }>(tx, 'select kid, sealed from signing_keys for update');
      for (const { kid, sealed } of rows) {
        if (sealingKeyOf(sealed) === this.encryption[0]!.id) continue;
        const again = seal(unseal(sealed, ownerOf(kid), this.encryption), ownerOf(kid), this.encryption);
        await tx.query('update signing_keys set sealed = $2 where kid = $1', [kid, again]);
      }
    });
  }

  private async keys(): Promise<KnownKeys> {
    if (this.known && performance.now() - this.known.readAt < FRESH_MS) return this.known;
    const rows = await this.database.transaction(async (tx) => {
      const found = await readKeys(tx);
      if (found.some(({ signs }) => signs)) return found;
      await lockKeys(tx);
      if (!(await readKeys(tx)).some(({ signs }) => signs)) await this.insertKey(tx, 0);
      return readKeys(tx);
    });
    const signing = rows.find(({ signs }) => signs)!;
    const pem = unseal(signing.sealed, ownerOf(signing.kid), this.encryption);
    this.known = {
      readAt: performance.now(),
      signing: { kid: signing.kid, key: createPrivateKey(pem) },
      published: rows.filter(({ published }) => published).map(({ public_jwk }) => public_jwk),
    };
    return this.known;
  }

  private async insertKey(tx: Tx, overlapSeconds: number): Promise<string> {
    const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: MODULUS_BITS });
    const members = await exportJWK(createPublicKey(privateKey));
    const kid = await calculateJwkThumbprint(members);
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await tx.query(
      `insert into signing_keys (kid, sealed, public_jwk, signs_from)
       values ($1, $2, $3, now() + $4 * interval '1 second')`,
      [
        kid,
        seal(pem, ownerOf(kid), this.encryption),
        JSON.stringify({ ...members, kid, use: 'sig', alg: ALGORITHM }),
        overlapSeconds,
      ],
    );
    return kid;
  }
}

/** Until the transaction ends nobody else makes a key. */
const lockKeys = (tx: Tx): Promise<unknown> => tx.query('select pg_advisory_xact_lock($1, $2)', [...SIGNING_KEY_LOCK]);

/** The newest whose time has come signs. */
const readKeys = (tx: Tx): Promise<KeyRow[]> =>
  rowsOf<KeyRow>(
    tx,
    `select kid, sealed, public_jwk,
       signs_from <= now() and signs_from = max(signs_from) filter (where signs_from <= now()) over () as signs,
       coalesce(lead(signs_from) over (order by signs_from) > now() - ${PUBLISHED_FOR}, true) as published
     from signing_keys order by signs_from desc`,
  );
