import { rowsOf, type Tx } from '#platform/sql.js';

export interface ReceiverRow {
  id: string;
  name: string;
  audience: string;
  sha256: string;
  created_at: Date;
  created_by: string;
  revoked_at: Date | null;
}

/** Undefined: a live one has this name already. */
export async function insertReceiver(
  tx: Tx,
  receiver: Pick<ReceiverRow, 'id' | 'name' | 'audience' | 'sha256' | 'created_by'>,
): Promise<ReceiverRow | undefined> {
  const { id, name, audience, sha256, created_by } = receiver;
  const [row] = await rowsOf<ReceiverRow>(
    tx,
    `insert into receivers (id, name, audience, sha256, created_by) values ($1, $2, $3, $4, $5)
     on conflict (name) where revoked_at is null do nothing returning *`,
    [id, name, audience, sha256, created_by],
  );
  return row;
}

export const readReceivers = (tx: Tx): Promise<ReceiverRow[]> =>
  rowsOf<ReceiverRow>(tx, 'select * from receivers order by created_at, id');

/** Of a key, by its digest (hex); live ones alone. */
export async function readReceiverOf(tx: Tx, sha256: string): Promise<ReceiverRow | undefined> {
  const [row] = await rowsOf<ReceiverRow>(tx, 'select * from receivers where sha256 = $1 and revoked_at is null', [
    sha256,
  ]);
  return row;
}

export async function readReceiver(tx: Tx, id: string): Promise<ReceiverRow | undefined> {
  const [row] = await rowsOf<ReceiverRow>(tx, 'select * from receivers where id = $1 and revoked_at is null', [id]);
  return row;
}

/** Its key is worth nothing from now on, and its streams end. Answers whether there was one. */
export async function revokeReceiver(tx: Tx, id: string): Promise<boolean> {
  const rows = await rowsOf<{ id: string }>(
    tx,
    'update receivers set revoked_at = clock_timestamp() where id = $1 and revoked_at is null returning id',
    [id],
  );
  if (rows.length > 0) await tx.query('update streams set status = $2 where receiver_id = $1', [id, 'disabled']);
  return rows.length > 0;
}
