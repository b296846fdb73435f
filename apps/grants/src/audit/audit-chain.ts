import { type AuditFields, chainHash } from '#proof/audit-row.js';
import { SEAL_LOCK } from '../grants-schema.js';
import { columns, rowsOf, type Tx } from '#platform/sql.js';

/** The columns of {@link AuditFields}, of a table `a`. */
export const FIELDS = `a.id, extract(epoch from a.at)::text as at, a.actor, a.action, a.provider_id, a.subject, a.reason,
  a.source_event_id, a.detail::text as detail`;
export const GENESIS: Buffer = Buffer.alloc(32);

/**
 * Adds rows to the chain as they have committed, of whole statements, which together have `limit` rows or just more; in the order of their
 * ids. Batches do not wait for it: a row is sealed moments after its transaction. Answers how many; 0 also where another process is at it.
 */
export async function sealAudit(tx: Tx, limit: number): Promise<number> {
  const [turn] = await rowsOf<{ mine: boolean }>(tx, 'select pg_try_advisory_xact_lock($1, $2) as mine', [
    ...SEAL_LOCK,
  ]);
  if (!turn!.mine) return 0;
  const statements = await oldestStatements(tx, limit);
  if (statements.length === 0) return 0;
  const rows = await rowsOf<AuditFields>(
    tx,
    `select ${FIELDS} from audit a
     where a.id = any(array(select unnest(ids) from audit_to_seal where first = any($1::bigint[]))) order by a.id`,
    [statements],
  );
  if (rows.length > 0) await addToChain(tx, rows);
  await forget(tx, statements, rows);
  return rows.length;
}

async function addToChain(tx: Tx, rows: readonly AuditFields[]): Promise<void> {
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
}

/** Those that have waited longest, `limit` rows of the audit or just more. */
async function oldestStatements(tx: Tx, limit: number): Promise<string[]> {
  const taken = await rowsOf<{ first: string }>(
    tx,
    `select first from (
       select first, sum(n) over (order by first) - n as before
       from (select first, n from audit_to_seal where not missing order by first limit $1) as oldest
     ) as counted where before < $1`,
    [limit],
  );
  return taken.map(({ first }) => first);
}

/** Takes statements out of the queue whose rows are sealed. A row that was removed before stays in it, for whoever verifies. */
async function forget(tx: Tx, statements: readonly string[], sealed: readonly AuditFields[]): Promise<void> {
  const [waited] = await rowsOf<{ n: string }>(
    tx,
    'select sum(n) as n from audit_to_seal where first = any($1::bigint[])',
    [statements],
  );
  if (Number(waited!.n) > sealed.length) {
    await tx.query(
      `update audit_to_seal q set missing = true, ids = gone.ids, n = cardinality(gone.ids)
       from (
         select first, array(select unnest(ids) except select unnest($2::bigint[])) as ids
         from audit_to_seal where first = any($1::bigint[])
       ) as gone
       where q.first = gone.first and gone.ids <> '{}'`,
      [statements, sealed.map(({ id }) => id)],
    );
  }
  await tx.query('delete from audit_to_seal where first = any($1::bigint[]) and not missing', [statements]);
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
const WAITING = `waiting as materialized (select unnest(ids) as id from audit_to_seal)`;

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
    `with ${WAITING} select a.id from audit a
     where not exists (select 1 from audit_chain c where c.audit_id = a.id)
       and not exists (select 1 from waiting w where w.id = a.id)
     order by a.id limit $1`,
    [MOST_PROBLEMS],
  );
  for (const { id } of loose) problems.push(`audit row ${id} is neither in the chain nor waiting for it`);
  const gone = await rowsOf<{ audit_id: string }>(
    tx,
    `with ${WAITING} select w.id as audit_id from waiting w where not exists (select 1 from audit a where a.id = w.id)
     order by w.id limit $1`,
    [MOST_PROBLEMS],
  );
  for (const row of gone) problems.push(`audit row ${row.audit_id} was removed before it was sealed`);
  const [unsealed] = await rowsOf<{ n: string }>(tx, 'select coalesce(sum(n), 0) as n from audit_to_seal');
  return {
    checked,
    head: seq === 0n ? undefined : { seq: String(seq), hash: hash.toString('hex') },
    unsealed: Number(unsealed!.n),
    problems: problems.slice(0, MOST_PROBLEMS),
  };
}
