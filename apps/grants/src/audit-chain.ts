import { type AuditFields, chainHash } from '#proof/audit-row.js';
import { SEAL_LOCK } from './grants-schema.js';
import { columns, rowsOf, type Tx } from '#platform/sql.js';

/** The columns of {@link AuditFields}, of a table `a`. */
export const FIELDS = `a.id, extract(epoch from a.at)::text as at, a.actor, a.action, a.provider_id, a.subject, a.reason,
  a.source_event_id, a.detail::text as detail`;
export const GENESIS: Buffer = Buffer.alloc(32);

/**
 * Adds rows to the chain in the order of their ids, as far as they have committed. Batches do not wait for it: a row is
 * sealed moments after its transaction. Answers how many; 0 also where another process is at it.
 */
export async function sealAudit(tx: Tx, limit: number): Promise<number> {
  const [turn] = await rowsOf<{ mine: boolean }>(tx, 'select pg_try_advisory_xact_lock($1, $2) as mine', [
    ...SEAL_LOCK,
  ]);
  if (!turn!.mine) return 0;
  const rows = await rowsOf<AuditFields>(
    tx,
    `select ${FIELDS} from audit_unsealed u join audit a on a.id = u.audit_id order by u.audit_id limit $1`,
    [limit],
  );
  if (rows.length === 0) return 0;
  const [head] = await rowsOf<{ seq: string; hash: Buffer }>(
    tx,
    'select seq, hash from audit_chain order by seq desc limit 1',
  );
  let hash: Buffer = head?.hash ?? GENESIS;
  let seq = BigInt(head?.seq ?? 0);
  const sealed = rows.map((row) => {
    hash = chainHash(hash, row);
    seq += 1n;
    return { seq: String(seq), id: row.id, hash };
  });
  await tx.query(
    `insert into audit_chain (seq, audit_id, hash) select * from unnest($1::bigint[], $2::bigint[], $3::bytea[])`,
    columns(
      sealed,
      (row) => row.seq,
      (row) => row.id,
      (row) => row.hash,
    ),
  );
  await tx.query(
    `insert into audit_head (seq, hash) values ($1, $2)
     on conflict (one) do update set seq = excluded.seq, hash = excluded.hash`,
    [String(seq), hash],
  );
  await tx.query('delete from audit_unsealed where audit_id = any($1::bigint[])', [sealed.map((row) => row.id)]);
  return rows.length;
}

export interface ChainHead {
  seq: string;
  hash: string;
}

export interface ChainReport {
  checked: number;
  head: ChainHead | undefined;
  /** Rows that are too young to be in the chain. */
  unsealed: number;
  /** One sentence each. Empty: nothing was changed or removed since it was sealed. */
  problems: string[];
}

/** How far the chain has come; undefined where nothing was ever sealed. */
export async function readHead(tx: Tx): Promise<ChainHead | undefined> {
  const [head] = await rowsOf<{ seq: string; hash: Buffer }>(tx, 'select seq, hash from audit_head');
  return head && { seq: head.seq, hash: head.hash.toString('hex') };
}

const PAGE = 5_000;
const MOST_PROBLEMS = 100;

/**
 * Walks the chain and compares every row with it. That the end was cut off is seen by the head, a row that only grows;
 * and where that was tampered with too, by `expected`: a head that was written down elsewhere, as the log has them.
 */
export async function verifyAudit(tx: Tx, expected?: ChainHead): Promise<ChainReport> {
  const problems: string[] = [];
  let hash: Buffer = GENESIS;
  let seq = 0n;
  let checked = 0;
  const kept = await readHead(tx);
  let sawExpected = expected === undefined;
  for (;;) {
    const rows = await rowsOf<AuditFields & { seq: string; audit_id: string; hash: Buffer; id: string | null }>(
      tx,
      `select c.seq, c.audit_id, c.hash, ${FIELDS} from audit_chain c left join audit a on a.id = c.audit_id
       where c.seq > $1 order by c.seq limit $2`,
      [String(seq), PAGE],
    );
    for (const row of rows) {
      checked += 1;
      if (BigInt(row.seq) !== seq + 1n) problems.push(`the chain has no ${seq + 1n}: entries were removed from it`);
      if (row.id === null) problems.push(`audit row ${row.audit_id} (chain ${row.seq}) was removed`);
      else if (!chainHash(hash, row).equals(row.hash)) {
        problems.push(`audit row ${row.audit_id} (chain ${row.seq}) is not what was sealed`);
      }
      if (expected?.seq === row.seq) sawExpected = expected.hash === row.hash.toString('hex');
      hash = row.hash; // goes on from what stands there, so that one change is one problem
      seq = BigInt(row.seq);
    }
    if (rows.length < PAGE || problems.length >= MOST_PROBLEMS) break;
  }
  if (kept && (kept.seq !== String(seq) || kept.hash !== hash.toString('hex'))) {
    problems.push(`the chain ends at ${seq}, and its head stands at ${kept.seq}: its end was cut off or changed`);
  }
  if (!sawExpected) problems.push(`the chain does not hold the expected head ${expected!.seq}:${expected!.hash}`);
  const loose = await rowsOf<{ id: string }>(
    tx,
    `select a.id from audit a
     where not exists (select 1 from audit_chain c where c.audit_id = a.id)
       and not exists (select 1 from audit_unsealed u where u.audit_id = a.id)
     order by a.id limit $1`,
    [MOST_PROBLEMS],
  );
  for (const { id } of loose) problems.push(`audit row ${id} is neither in the chain nor waiting for it`);
  const gone = await rowsOf<{ audit_id: string }>(
    tx,
    `select u.audit_id from audit_unsealed u where not exists (select 1 from audit a where a.id = u.audit_id)
     order by u.audit_id limit $1`,
    [MOST_PROBLEMS],
  );
  for (const row of gone) problems.push(`audit row ${row.audit_id} was removed before it was sealed`);
  const [unsealed] = await rowsOf<{ n: string }>(tx, 'select count(*) as n from audit_unsealed');
  return {
    checked,
    head: seq === 0n ? undefined : { seq: String(seq), hash: hash.toString('hex') },
    unsealed: Number(unsealed!.n),
    problems: problems.slice(0, MOST_PROBLEMS),
  };
}
