import { TOPICS } from '#contracts/topics.js';
import { SetAsideController } from '../src/set-aside/set-aside.controller.js';
import { countWaiting, takeForRedrive } from '../src/set-aside/set-aside.sql.js';
import { enqueue } from '../src/outbox/outbox.sql.js';
import { all, apply, event, newProvider, ownDatabase, type OwnDatabase, rawRecord, recordOf } from './support.js';

let own: OwnDatabase;
let controller: SetAsideController;
beforeEach(async () => {
  own = await ownDatabase();
  controller = new SetAsideController(own.database);
});
afterEach(() => own.drop());

/** So many records that cannot be read, and among them some that can. */
async function poison(count: number): Promise<string[]> {
  const providerId = newProvider();
  const records = Array.from({ length: count }, (_, index) => [
    { ...rawRecord(Buffer.from([0xff, index]), `key_${index}`), headers: { trace: Buffer.from([0, index]) } },
    recordOf(event('user.deleted', index, { id: `user_${index}` }), providerId),
  ]).flat();
  const applied = await apply(own.database, records);
  expect([applied.fresh, applied.setAside.length]).toEqual([count, count]);
  const rows = await all<{ id: string }>(own.database, 'select id from set_aside order by seq');
  await all(own.database, 'delete from outbox');
  return rows.map(({ id }) => id);
}
const sent = async (): Promise<string[]> => {
  const rows = await all<{ key: Buffer; value: Buffer; headers: Record<string, string> }>(own.database, 'select key, value, headers from outbox where topic = $1 order by id', [TOPICS.workosEvents]); // prettier-ignore
  return rows.map(({ key, value, headers }) => `${String(key)} ${value.toString('hex')} ${Buffer.from(headers['trace']!, 'base64').toString('hex')}`); // prettier-ignore
};
const waiting = async () =>
  (await own.database.read(countWaiting)).map(({ reason, n }) => [reason, Number(n)] as const);

test('one, asked for many times at once, is sent once with its bytes and headers', async () => {
  const [first] = await poison(3);
  const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => controller.redriveOne(first!, `admin_${index}`))); // prettier-ignore
  expect(await sent()).toEqual(['key_0 ff00 0000']);
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  expect(await controller.redriveOne(first!, 'later')).toEqual(answers[0]);
  expect(await waiting()).toEqual([['record_malformed', 2]]);
  const audit = await all(own.database, `select actor, subject, reason from audit where action = 'set_aside.redriven'`);
  expect(audit).toEqual([{ actor: answers[0]!.redriven_by, subject: first, reason: 'record_malformed' }]);
});

test('all of one reason, asked for many times at once and beside single ones: each is sent once', async () => {
  const ids = await poison(12);
  const results = await Promise.all([
    ...Array.from({ length: 4 }, () => controller.redriveAll({ reason: 'record_malformed' }, 'admin')),
    ...ids.slice(0, 4).map((id) => controller.redriveOne(id, 'single')),
    controller.redriveAll({ reason: 'event_malformed' }, 'admin'),
  ]);
  expect((await sent()).sort()).toEqual(
    Array.from({ length: 12 }, (_, index) => {
      const hex = index.toString(16).padStart(2, '0');
      return `key_${index} ff${hex} 00${hex}`;
    }).sort(),
  );
  expect(results.at(-1)).toEqual({ reason: 'event_malformed', redriven: 0 });
  expect(await controller.redriveAll({ reason: 'record_malformed' }, 'again')).toMatchObject({ redriven: 0 });
  expect(await waiting()).toEqual([]);
});

test('a crash in between leaves it waiting, and the next one sends it', async () => {
  const [first] = await poison(1);
  const crashed = own.database.transaction(async (tx) => {
    await enqueue(tx, await takeForRedrive(tx, { id: first! }, 'unlucky'));
    await tx.query('select pg_terminate_backend(pg_backend_pid())');
  });
  await expect(crashed).rejects.toThrow('');
  expect([await sent(), await waiting()]).toEqual([[], [['record_malformed', 1]]]);
  expect(await controller.redriveOne(first!, 'admin')).toMatchObject({ status: 'redriven', redriven_by: 'admin' });
  expect(await sent()).toHaveLength(1);
});
