import type { Page, WorkOSApi, WorkOSObject } from '#workos/api-client.js';
import { LookAhead } from '../src/reconciliation/look-ahead.js';
import type { Run } from '../src/reconciliation/reconciliation.sql.js';
import { type StepContext, takeStep } from '../src/reconciliation/steps.js';

test('an answer is given away once; a failure too, and then it is asked again', async () => {
  const ahead = new LookAhead<string>();
  let asked = 0;
  const ask = async (): Promise<string> => `answer ${++asked}`;
  ahead.ask('page', ask);
  ahead.ask('page', ask);
  expect([await ahead.take('page', ask), await ahead.take('page', ask)]).toEqual(['answer 1', 'answer 2']);
  ahead.ask('page', () => Promise.reject(new Error('429')));
  await expect(ahead.take('page', ask)).rejects.toThrow('429');
  expect(await ahead.take('page', ask)).toBe('answer 3');
});

test('what nobody takes may fail, and what was forgotten is not given away', async () => {
  const ahead = new LookAhead<string>();
  ahead.ask('page', () => Promise.reject(new Error('of no interest')));
  ahead.forget();
  await new Promise((resolve) => setImmediate(resolve)); // an unhandled rejection would end the process here
  expect(await ahead.take('page', async () => 'anew')).toBe('anew');
});

const START: Run = {
  id: 'reconciliation_1',
  providerId: 'idp_1',
  dryRun: false,
  maxClosings: 10,
  requestedAt: new Date(0),
  phase: 'users',
  place: '',
  cursor: null,
  progress: {},
};

/** WorkOS with these pages; whatever Postgres is asked, it answers with what `read` says. */
function contextOf(api: Partial<WorkOSApi>, read: () => unknown): StepContext & { paced: number } {
  const context = {
    paced: 0,
    database: { read: async () => read() } as unknown as StepContext['database'],
    api: api as WorkOSApi,
    suspension: undefined,
    pace: async () => void (context.paced += 1),
    ahead: new LookAhead<Page<WorkOSObject> | undefined>(),
    now: () => 0,
  };
  return context;
}
const pageOf = (after: string | null): Page<WorkOSObject> => ({ data: [], after, asOf: 0 });

test('the next page of users is asked for before the last one is kept, each once, and each at its time', async () => {
  const asked: (string | undefined)[] = [];
  const following: Record<string, string | null> = { '': 'a', a: 'b', b: null };
  const listUsers = async (after?: string) => {
    asked.push(after);
    return pageOf(following[after ?? '']!);
  };
  const context = contextOf({ listUsers }, () => []);
  const { next } = await takeStep(START, context);
  await new Promise((resolve) => setImmediate(resolve));
  expect([next.cursor, asked]).toEqual(['a', [undefined, 'a']]);
  const last = await takeStep((await takeStep(next, context)).next, context);
  expect(last.next.phase).toBe('memberships');
  expect(asked).toEqual([undefined, 'a', 'b']);
  expect(context.paced).toBe(3);
});

test('the memberships of several organizations are asked for together, and taken one organization after the other', async () => {
  const organizations = ['org_1', 'org_2', 'org_3'];
  const asked: string[] = [];
  const listMemberships = async (of: { userId: string } | { organizationId: string }, after?: string) => {
    const { organizationId } = of as { organizationId: string };
    asked.push(`${organizationId} ${after ?? ''}`);
    return pageOf(organizationId === 'org_1' && after === undefined ? 'more' : null);
  };
  let run: Run = { ...START, phase: 'memberships' };
  let reads = 0;
  const context = contextOf({ listMemberships }, () =>
    reads++ % 2 === 0 ? organizations.filter((id) => id > run.place) : [],
  );
  const places: string[] = [];
  while (run.phase === 'memberships') {
    reads = 0;
    run = (await takeStep(run, context)).next;
    places.push(run.place);
    if (places.length === 1) expect(asked.slice(0, 3).sort()).toEqual(['org_1 ', 'org_2 ', 'org_3 ']);
  }
  expect(places).toEqual(['org_1', 'org_1', 'org_2', 'org_3', '']);
  expect(asked.sort()).toEqual(['org_1 ', 'org_1 more', 'org_2 ', 'org_3 ']);
  expect(context.paced).toBe(4);
});
