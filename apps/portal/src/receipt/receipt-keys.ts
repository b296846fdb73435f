import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';
import type { Database } from '#platform/database.js';
import { rowsOf, type Tx } from '#platform/sql.js';
import { RECEIPT_TYPE } from '#proof/receipt.js';
import { type EncryptionKeys, seal, sealingKeyOf, unseal } from '#providers/sealing.js';
import { PORTAL, recordChange } from '../providers/changes.sql.js';

const ALGORITHM = 'EdDSA';

/** RFC 7517: public members alone. */
export interface PublicKey {
  kid: string;
  created_at: Date;
  /** Null: it signs. */
  retired_at: Date | null;
  jwk: JWK;
}

interface CurrentKey {
  kid: string;
  sealed: string;
}

const ownerOf = (kid: string): string => `portal/signing-key/${kid}`;

/** Every key that ever signed, the current one first. */
export async function readPublicKeys(tx: Tx): Promise<PublicKey[]> {
  const rows = await rowsOf<Omit<PublicKey, 'jwk'> & { public_jwk: JWK }>(
    tx,
    `select kid, public_jwk, created_at, retired_at from signing_keys
     order by retired_at desc nulls first, created_at desc`,
  );
  return rows.map(({ public_jwk: jwk, ...row }) => ({
    ...row,
    jwk: { ...jwk, use: 'sig', alg: ALGORITHM, kid: row.kid },
  }));
}

async function readCurrent(tx: Tx, lock = ''): Promise<CurrentKey | undefined> {
  const [row] = await rowsOf<CurrentKey>(tx, `select kid, sealed from signing_keys where retired_at is null ${lock}`);
  return row;
}

/** Signs receipts with the key of the installation, Ed25519 (RFC 8037): made when it is first needed, and kept sealed. */
export class ReceiptSigner {
  constructor(
    private readonly database: Database,
    private readonly keys: EncryptionKeys,
    private readonly issuer: string,
  ) {}

  /** A JWS in compact form. @param now ms since the epoch */
  async sign(receipt: object, id: string, now: number): Promise<string> {
    const { kid, sealed } =
      (await this.database.read((tx) => readCurrent(tx))) ??
      (await this.database.transaction((tx) => this.replace(tx, PORTAL, (current) => current)));
    const key = await importJWK(JSON.parse(unseal(sealed, ownerOf(kid), this.keys)) as JWK, ALGORITHM);
    return new SignJWT({ receipt })
      .setProtectedHeader({ alg: ALGORITHM, kid, typ: RECEIPT_TYPE })
      .setIssuer(this.issuer)
      .setIssuedAt(Math.floor(now / 1000))
      .setJti(id)
      .sign(key);
  }

  /** Another key signs from now on; the former private key is gone, its public one stays published. Answers the new `kid`. */
  async rotate(actor: string): Promise<string> {
    const { kid } = await this.database.transaction((tx) => this.replace(tx, actor, () => undefined));
    return kid;
  }

  /** Seals with the current encryption key what is still under an earlier one. */
  async reseal(): Promise<void> {
    await this.database.transaction(async (tx) => {
      const current = await readCurrent(tx, 'for update');
      if (!current || sealingKeyOf(current.sealed) === this.keys[0]!.id) return;
      const owner = ownerOf(current.kid);
      const again = seal(unseal(current.sealed, owner, this.keys), owner, this.keys);
      await tx.query('update signing_keys set sealed = $2 where kid = $1', [current.kid, again]);
    });
  }

  /** @param keep the current key where it is to stay; two who find none make one */
  private async replace(
    tx: Tx,
    actor: string,
    keep: (current: CurrentKey | undefined) => CurrentKey | undefined,
  ): Promise<CurrentKey> {
    await tx.query('lock table signing_keys in share row exclusive mode');
    const kept = keep(await readCurrent(tx));
    if (kept) return kept;
    const { publicKey, privateKey } = await generateKeyPair(ALGORITHM, { crv: 'Ed25519', extractable: true });
    const publicJwk = await exportJWK(publicKey);
    const kid = await calculateJwkThumbprint(publicJwk);
    const sealed = seal(JSON.stringify(await exportJWK(privateKey)), ownerOf(kid), this.keys);
    await tx.query(`update signing_keys set retired_at = clock_timestamp(), sealed = null where retired_at is null`);
    await tx.query('insert into signing_keys (kid, public_jwk, sealed) values ($1, $2, $3)', [kid, publicJwk, sealed]);
    await recordChange(tx, {
      actor,
      action: 'signing_key_made',
      providerId: null,
      version: null,
      detail: { kid },
    });
    return { kid, sealed };
  }
}
