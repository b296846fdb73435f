import { disagreement, type Pasts } from '../src/outbox/recovery.js';

type Partition = Pasts['partitions'][number];
const partition = (applied: bigint, committed: bigint, end: bigint): Partition => ({
  topic: 'workos.events',
  partition: 0,
  applied,
  committed,
  end,
});
const AGREED = { databaseWentBack: false, shortened: [], statesAreGone: false };

test.each<[string, Partition, Partial<ReturnType<typeof disagreement>>]>([
  ['nothing was ever read', partition(-1n, -1n, 0n), {}],
  ['all is applied', partition(5n, 5n, 5n), {}],
  ['Kafka has not heard yet of what was committed last', partition(5n, 3n, 7n), {}],
  ['the group was forgotten', partition(5n, -1n, 7n), {}],
  ['the database was restored', partition(3n, 5n, 7n), { databaseWentBack: true }],
  ['the database is new', partition(-1n, 5n, 7n), { databaseWentBack: true }],
  ['Kafka was made anew', partition(5n, -1n, 0n), { shortened: [partition(5n, -1n, 0n)] }],
  ['Kafka was restored from before', partition(5n, 3n, 4n), { shortened: [partition(5n, 3n, 4n)] }],
  [
    'Kafka was made anew, and has old offsets of the group',
    partition(3n, 5n, 2n),
    { shortened: [partition(3n, 5n, 2n)] },
  ],
])('%s', (_, given, expected) => {
  expect(disagreement({ partitions: [given], isStateTopicEmpty: false })).toEqual({ ...AGREED, ...expected });
});

test('states that are gone are gone whatever the offsets say', () => {
  expect(disagreement({ partitions: [], isStateTopicEmpty: true })).toEqual({ ...AGREED, statesAreGone: true });
});
