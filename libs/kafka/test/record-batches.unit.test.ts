import { createRequire } from 'node:module';
import fc from 'fast-check';
import { readRecordBatches } from '../src/record-batches.js';

const load = createRequire(import.meta.url);
const kafkajs = (path: string): unknown => load(`kafkajs/src/protocol/${path}`);
type Encoded = { buffer: Buffer };
const { RecordBatch } = kafkajs('recordBatch/v0') as { RecordBatch(batch: object): Promise<Encoded> };
const Record = kafkajs('recordBatch/record/v0') as (record: object) => object;
const Decoder = kafkajs('decoder') as new (bytes: Buffer) => object;
const decodeMessages = kafkajs('requests/fetch/v4/decodeMessages') as (decoder: object) => Promise<Message[]>;

interface Message {
  offset: string;
  value: Buffer | null;
}
interface Batch {
  first: number;
  producerId?: number;
  transactional?: boolean;
  values: (Buffer | null)[];
}

/** One batch as kafkajs writes it; `last` more than its records: as compaction leaves it. */
async function batchOf({ first, producerId = -1, transactional = false, values }: Batch, gone = 0): Promise<Buffer> {
  const records = values.map((value, index) =>
    Record({
      offsetDelta: index,
      timestampDelta: index * 977,
      key: index % 3 === 0 ? null : Buffer.from(`key-${index}`),
      value,
      headers: index % 2 === 0 ? {} : { 'content-type': Buffer.from('text/plain') },
    }),
  );
  const { buffer } = await RecordBatch({
    firstTimestamp: 1_700_000_000_000,
    maxTimestamp: 1_700_000_001_000,
    producerId,
    producerEpoch: 0,
    firstSequence: 0,
    lastOffsetDelta: values.length - 1 + gone,
    transactional,
    records,
  });
  const bytes = Buffer.from(buffer);
  bytes.writeBigInt64BE(BigInt(first), 0);
  return bytes;
}

/** The marker that ends a transaction. */
async function markerOf(offset: number, producerId: number, committed: boolean): Promise<Buffer> {
  const key = Buffer.from([0, 0, 0, committed ? 1 : 0]);
  const record = Record({ offsetDelta: 0, timestampDelta: 0, key, value: Buffer.alloc(6), headers: {} });
  const { buffer } = await RecordBatch({
    ...{ firstTimestamp: 1_700_000_000_000, maxTimestamp: 1_700_000_000_000, producerId, producerEpoch: 0 },
    ...{ firstSequence: 0, lastOffsetDelta: 0, transactional: true, records: [record] },
  });
  const bytes = Buffer.from(buffer);
  bytes.writeBigInt64BE(BigInt(offset), 0);
  bytes.writeInt16BE(bytes.readInt16BE(21) | 0x20, 21);
  return bytes;
}

function read(bytes: Buffer, from = 0n, aborted: { producerId: bigint; firstOffset: bigint }[] = []) {
  const values: [string, string | null][] = [];
  const outcome = readRecordBatches(bytes, from, aborted, (all, start, end, first, delta) =>
    values.push([(first + BigInt(delta)).toString(), start < 0 ? null : all.toString('latin1', start, end)]),
  );
  return { values, ...outcome };
}

const values = fc.array(
  fc.option(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    { freq: 5 },
  ),
  { minLength: 1, maxLength: 8 },
);

test('it reads what kafkajs reads, wherever the answer was cut off', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(values, { minLength: 1, maxLength: 4 }), fc.nat(), async (batches, cut) => {
      let first = 7;
      const parts: Buffer[] = [];
      for (const batch of batches) {
        parts.push(await batchOf({ first, values: batch }));
        first += batch.length;
      }
      const whole = Buffer.concat(parts);
      const bytes = whole.subarray(0, whole.length - (cut % (whole.length / 2)));
      const length = Buffer.alloc(4);
      length.writeInt32BE(bytes.length);
      const messages = await decodeMessages(new Decoder(Buffer.concat([length, bytes])));
      const { values: ours, next, readable } = read(bytes);
      expect(ours).toEqual(messages.map(({ offset, value }) => [offset, value && value.toString('latin1')]));
      expect(readable).toBe(true);
      if (messages.length > 0) expect(next).toBe(BigInt(messages.at(-1)!.offset) + 1n);
    }),
    { numRuns: 200 },
  );
});

const text = (...words: string[]) => words.map((word) => Buffer.from(word));

test('what came before the offset that was asked for is left out, and the end of a batch counts where compaction emptied it', async () => {
  const bytes = Buffer.concat([
    await batchOf({ first: 10, values: text('a', 'b', 'c') }),
    await batchOf({ first: 20, values: text('d') }, 4),
  ]);
  expect(read(bytes, 12n)).toEqual({
    values: [
      ['12', 'c'],
      ['20', 'd'],
    ],
    next: 25n,
    readable: true,
  });
});

test('of two producers at once, what one has aborted is left out, and nothing else; what it says afterwards counts', async () => {
  const bytes = Buffer.concat([
    await batchOf({ first: 0, producerId: 1, transactional: true, values: text('committed 0') }),
    await batchOf({ first: 1, producerId: 2, transactional: true, values: text('aborted 1', 'aborted 2') }),
    await batchOf({ first: 3, producerId: 2, values: text('outside a transaction 3') }),
    await markerOf(4, 1, true),
    await batchOf({ first: 5, producerId: 2, transactional: true, values: text('aborted 5') }),
    await markerOf(6, 2, false),
    await batchOf({ first: 7, producerId: 2, transactional: true, values: text('committed 7') }),
    await markerOf(8, 2, true),
  ]);
  const { values: seen, next } = read(bytes, 0n, [{ producerId: 2n, firstOffset: 1n }]);
  expect(seen.map(([, value]) => value)).toEqual(['committed 0', 'outside a transaction 3', 'committed 7']);
  expect(next).toBe(9n);
});

test('it stops before what is compressed or of an older format', async () => {
  const first = await batchOf({ first: 0, values: text('plain') });
  for (const [place, byte] of [
    [22, 4],
    [16, 1],
  ] as const) {
    const second = await batchOf({ first: 1, values: text('odd') });
    second[place] = byte;
    const { values: seen, next, readable } = read(Buffer.concat([first, second]));
    expect([seen, next, readable]).toEqual([[['0', 'plain']], 1n, false]);
  }
});

test('whatever the bytes are, it ends, and stays within them', async () => {
  const whole = Buffer.concat([
    await batchOf({ first: 0, values: text('one', 'two') }),
    await markerOf(2, 5, false),
    await batchOf({ first: 3, values: [null, ...text('three')] }),
  ]);
  const mutated = fc
    .array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 })
    .map((edits) => {
      const bytes = Buffer.from(whole);
      for (const [place, byte] of edits) bytes[place] = byte;
      return bytes;
    });
  fc.assert(
    fc.property(mutated, (bytes) => {
      try {
        readRecordBatches(bytes, 0n, [], (_, start, end) => {
          expect(start).toBeGreaterThanOrEqual(-1);
          expect(end).toBeLessThanOrEqual(bytes.length);
          expect(end).toBeGreaterThanOrEqual(start);
        });
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
      }
    }),
    { numRuns: 2_000 },
  );
});
