import fc from 'fast-check';
import { arrivals, histories, HISTORY_START, ORGANIZATIONS, SESSIONS, USERS } from '#testing/histories.js';
import { decodeWorkOSEvent } from '#contracts/workos-event.js';
import { effectsOf } from '#revocation/effects.js';
import { keyOf, scopesOf } from '#revocation/scope.js';
import { merge, OPEN, type ScopeState } from '#revocation/scope-state.js';
import type { PastClosingOfScope } from '../src/domain/mark.js';
import { markOf } from '../src/domain/mark.js';
import { grantOfRow, type GrantRow } from '../src/grants/grants.sql.js';
import { markNextChunk } from '../src/marking/marking-worker.js';
import { all, apply, grantedAt, newProvider, ownDatabase, type RawEvent, recordOf } from './support.js';

let own: Awaited<ReturnType<typeof ownDatabase>>;
beforeAll(async () => {
  own = await ownDatabase();
});
afterAll(() => own.drop());

const RULE = { metadataKey: 'suspended', value: 'yes' };
const RUNS = Number(process.env['PROPERTY_RUNS'] ?? 60);
const SEED = Number(process.env['PROPERTY_SEED'] ?? Date.now() % 2 ** 31);

/** Some before, some in the middle of it, at the very moments of events. */
const GRANTS = USERS.flatMap((userId) =>
  [-5, 3, 7.5, 12, 30].flatMap((seconds, index) => [
    { at: HISTORY_START + seconds * 1000, userId },
    { at: HISTORY_START + seconds * 1000, userId, organizationId: ORGANIZATIONS[index % 2]! },
    { at: HISTORY_START + seconds * 1000, userId, organizationId: ORGANIZATIONS[1]!, sessionId: SESSIONS[index % 3]! },
  ]),
);

async function rowsAfter(batches: readonly RawEvent[][], inline = 5_000) {
  const providerId = newProvider();
  for (const { at, ...holder } of GRANTS) await grantedAt(own.database, at, { providerId, ...holder });
  for (const batch of batches) {
    await apply(
      own.database,
      batch.map((raw) => recordOf(raw, providerId)),
      RULE,
      inline,
    );
    // So that a page ends in the middle of them.
    while ((await markNextChunk(own.database, { chunk: 7, connections: 2 })) !== undefined);
  }
  return readRows(providerId);
}

async function readRows(providerId: string) {
  const of = <Row>(table: string, columns: string): Promise<Row[]> =>
    all<Row>(own.database, `select ${columns} from ${table} where provider_id = $1 order by 1, 2, 3, 4`, [providerId]);
  const plain = (rows: object[]): unknown => JSON.parse(JSON.stringify(rows).replaceAll(providerId, 'PROVIDER'));
  const grants = await all<GrantRow>(own.database, 'select * from grants where provider_id = $1', [providerId]);
  const marks = grants.map(({ id: _, ...row }) => row).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  return {
    providerId,
    grants,
    rows: {
      scopes: plain(
        await of(
          'scopes',
          `scope_key, closed_at::text, opened_at::text, tokens_before::text, reason, source_event_id, occurred_at`,
        ),
      ),
      closings: plain(
        await all(
          own.database,
          `select scope_key, closed_at::text, occurred_at, source_event_id, reason from scope_closings
           where scope_key like $1 || '/%' order by 1, 2, 3, 4, 5`,
          [providerId],
        ),
      ),
      grants: plain(marks),
      users: plain(await of('users', 'id, email, profile_at, profile_event, deleted_at, 0')),
      organizations: plain(await of('organizations', 'id, name, profile_at, profile_event, deleted_at')),
      memberships: plain(
        await of('memberships', 'user_id, organization_id, membership_id, status, role, changed_at, changed_event'),
      ),
      sessions: plain(
        await of('sessions', 'id, user_id, organization_id, changed_at::text, changed_event, created_at, revoked_at'),
      ),
    },
  };
}

test('the order, number and cut of deliveries do not matter, and the rows say what the rule says', async () => {
  console.log(`seed ${SEED}, ${RUNS} runs (PROPERTY_SEED, PROPERTY_RUNS)`);
  const cases = histories().chain((history) => fc.tuple(fc.constant(history), arrivals(history)));
  await fc.assert(
    fc.asyncProperty(cases, async ([history, batches]) => {
      const inOrder = await rowsAfter([history]);
      const arrived = await rowsAfter(batches);
      expect(arrived.rows).toEqual(inOrder.rows);
      const byJobs = await rowsAfter(batches, 0);
      expect(byJobs.rows).toEqual(inOrder.rows);

      const { states, closings } = foldOf(history, arrived.providerId);
      const stored = await all<{ scope_key: string; closed_at: number; opened_at: number; tokens_before: number }>(
        own.database,
        'select * from scopes where provider_id = $1',
        [arrived.providerId],
      );
      expect(stored.length).toBe(states.size);
      for (const row of stored) {
        expect(row).toMatchObject({
          closed_at: states.get(row.scope_key)!.closedAt,
          opened_at: states.get(row.scope_key)!.openedAt,
          tokens_before: states.get(row.scope_key)!.tokensBefore,
        });
      }
      const known = {
        stateOf: (key: string) => states.get(key),
        closingsOf: (key: string) => closings.filter((closing) => closing.key === key),
      };
      for (const row of arrived.grants) {
        const grant = grantOfRow(row);
        expect({ scopes: scopesOf(grant), mark: grant.mark }).toEqual({
          scopes: scopesOf(grant),
          mark: markOf(grant, known),
        });
      }
    }),
    { numRuns: RUNS, seed: SEED, interruptAfterTimeLimit: 240_000 },
  );
}, 300_000);

/** What the library says of a history, on its own. */
function foldOf(history: readonly RawEvent[], providerId: string) {
  const states = new Map<string, ScopeState>();
  const closings: PastClosingOfScope[] = [];
  for (const raw of history) {
    for (const { scope, state } of effectsOf(decodeWorkOSEvent(raw, providerId), RULE)) {
      const key = keyOf(scope);
      states.set(key, merge(states.get(key) ?? OPEN, state));
      if (state.closing)
        closings.push({ ...state.closing, key, kind: scope.kind, closedAt: state.closedAt, actor: null });
    }
  }
  return { states, closings };
}
