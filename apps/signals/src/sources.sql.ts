import { rowsOf, type Tx } from '#platform/sql.js';

export interface SourceRow {
  id: string;
  name: string;
  issuer: string;
  audience: string;
  jwks_uri: string | null;
  provider_id: string;
  subject_issuers: string[];
  sha256: string;
  created_at: Date;
  created_by: string;
}

/** Undefined: another one has this name. */
export async function insertSource(tx: Tx, source: Omit<SourceRow, 'created_at'>): Promise<SourceRow | undefined> {
  const { id, name, issuer, audience, jwks_uri, provider_id, subject_issuers, sha256, created_by } = source;
  const [row] = await rowsOf<SourceRow>(
    tx,
    `insert into sources (id, name, issuer, audience, jwks_uri, provider_id, subject_issuers, sha256, created_by)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (name) do nothing returning *`,
    [id, name, issuer, audience, jwks_uri, provider_id, subject_issuers, sha256, created_by],
  );
  return row;
}

export const readSources = (tx: Tx): Promise<SourceRow[]> =>
  rowsOf<SourceRow>(tx, 'select * from sources order by created_at, id');

export async function readSource(tx: Tx, id: string): Promise<SourceRow | undefined> {
  const [row] = await rowsOf<SourceRow>(tx, 'select * from sources where id = $1', [id]);
  return row;
}

/** Answers whether there was one. */
export async function deleteSource(tx: Tx, id: string): Promise<boolean> {
  return (await rowsOf(tx, 'delete from sources where id = $1 returning id', [id])).length > 0;
}
