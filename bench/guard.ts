import type { Database } from '#platform/database.js';
import { rowsOf } from '#platform/sql.js';
import { applyBatch } from '../apps/grants/src/events/apply-batch.js';
import type { Guard } from '../apps/grants/src/domain/guard.js';
import { PROVIDER, recordOf, seconds, withGrantsDatabase } from './grants-database.js';
import { median, type Row } from './row.js';

const PEOPLE = Number(process.env['BENCH_MEMBERS'] ?? 100_000);
const BATCH = 1_000;
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 11);
const ORGANIZATION = 'org_01E4ZCR3C56J083X43JQXF3JK5';
const HOUR_MS = 3_600_000;

/** What it costs a batch of closings that the guard counts them: floor: the same batch without a guard, in turns. */
export function guard(): Promise<Row[]> {
  return withGrantsDatabase(measure);
}

async function measure(database: Database): Promise<Row[]> {
  await database.transaction((tx) =>
    tx.query(
      `insert into memberships (provider_id, user_id, organization_id, status, changed_at, changed_event)
       select $1, 'user_' || lpad(n::text, 26, '0'), $2, 'active', 0, '' from generate_series(0, $3::int - 1) n`,
      [PROVIDER, ORGANIZATION, PEOPLE],
    ),
  );
  await database.read((tx) => rowsOf(tx, 'vacuum analyze'));

  const generous: Guard = { maxUsers: PEOPLE, maxShare: 1, windowMs: HOUR_MS };
  const strict: Guard = { maxUsers: BATCH / 2, maxShare: 1, windowMs: HOUR_MS };
  const taken = { none: [] as number[], counts: [] as number[], trips: [] as number[] };
  let batches = 0;
  /** Of people who have not left yet, in an hour of their own. */
  const batch = async (one: Guard | undefined): Promise<number> => {
    const hour = new Date(Date.now() - (3 * ROUNDS + 10) * 4 * HOUR_MS + batches * 4 * HOUR_MS);
    const records = Array.from({ length: BATCH }, (_, index) => {
      const user_id = `user_${String((batches * BATCH + index) % PEOPLE).padStart(26, '0')}`;
      return recordOf('organization_membership.updated', { user_id, organization_id: ORGANIZATION, status: 'inactive' }, hour); // prettier-ignore
    });
    batches += 1;
    return seconds(() =>
      database.transaction((tx) =>
        applyBatch(tx, records, { suspensionOf: () => undefined, limits: { inline: 5_000 }, guardOf: () => one }),
      ),
    );
  };
  for (let round = -1; round < ROUNDS; round++) {
    const [none, counts, trips] = [await batch(undefined), await batch(generous), await batch(strict)];
    if (round < 0) continue; // warms up
    taken.none.push(none);
    taken.counts.push(counts);
    taken.trips.push(trips);
  }
  const floor = median(taken.none) * 1_000;
  const row = (what: string, samples: number[], target: number): Row => {
    const value = median(samples) * 1_000;
    return { name: `batch of ${BATCH} closings, ${what}`, value, unit: 'ms', floor, ratio: value / floor, target: `≤ ${target} × without`, met: value <= target * floor }; // prettier-ignore
  };
  return [row('the guard counts them', taken.counts, 1.25), row('the guard trips', taken.trips, 1.5)];
}
