/** A transaction that was not committed: its producer's records from this offset on, up to the marker that ends it. */
export interface AbortedTransaction {
  producerId: bigint;
  firstOffset: bigint;
}

/** Called with the place of each value; `start` is -1 where the record has none. The record's offset is `first + BigInt(delta)`. */
export type OnValue = (bytes: Buffer, start: number, end: number, first: bigint, delta: number) => void;

/** Bytes of a record batch before its records, by where each field begins (Kafka protocol, record batch, magic 2). */
const LENGTH = 8;
const MAGIC = 16;
const ATTRIBUTES = 21;
const LAST_OFFSET_DELTA = 23;
const PRODUCER_ID = 43;
const COUNT = 57;
const RECORDS = 61;
const COMPRESSED = 0x07;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const ABORT_MARKER = 0;

/**
 * Walks through the record batches of one answered fetch and calls `onValue` for each committed record from `from` on, without
 * making an object of it. Says up to which offset everything was walked through, and whether it can go on from there: not
 * where a batch is compressed, or of a format before Kafka 0.11. The last batch may be cut off, as Kafka does it.
 *
 * Throws `RangeError` where the bytes are none of Kafka's.
 */
export function readRecordBatches(
  bytes: Buffer,
  from: bigint,
  aborted: readonly AbortedTransaction[],
  onValue: OnValue,
): { next: bigint; readable: boolean } {
  const begun = [...aborted].sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1));
  const ignored = new Set<bigint>();
  let next = from;
  let at = 0;
  while (at + RECORDS <= bytes.length) {
    const end = at + LENGTH + 4 + bytes.readInt32BE(at + LENGTH);
    if (end < at + RECORDS) throw new RangeError('a record batch is shorter than its head');
    if (end > bytes.length) break;
    const attributes = bytes.readInt16BE(at + ATTRIBUTES);
    if (bytes[at + MAGIC] !== 2 || (attributes & COMPRESSED) !== 0) return { next, readable: false };
    const first = bytes.readBigInt64BE(at);
    const last = first + BigInt(bytes.readInt32BE(at + LAST_OFFSET_DELTA));
    const producerId = bytes.readBigInt64BE(at + PRODUCER_ID);
    while (begun.length > 0 && begun[0]!.firstOffset <= last) ignored.add(begun.shift()!.producerId);
    const count = bytes.readInt32BE(at + COUNT);
    if ((attributes & CONTROL) !== 0) {
      if (isAbort(bytes, at + RECORDS, end, count)) ignored.delete(producerId);
    } else if ((attributes & TRANSACTIONAL) === 0 || !ignored.has(producerId)) {
      readRecords(bytes, at + RECORDS, end, count, first, from, onValue);
    }
    if (last >= next) next = last + 1n;
    at = end;
  }
  return { next, readable: true };
}

/** Where the last `varint` ended. */
let place = 0;

function readRecords(
  bytes: Buffer,
  start: number,
  end: number,
  count: number,
  first: bigint,
  from: bigint,
  onValue: OnValue,
): void {
  // A batch that holds the offset that was asked for comes whole.
  const lowest = Number(from - first);
  let at = start;
  for (let i = 0; i < count; i++) {
    const length = varint(bytes, at, end);
    const recordEnd = place + length;
    if (length < 0 || recordEnd > end) throw new RangeError('a record is longer than its batch');
    skipVarint(bytes, place + 1, recordEnd); // attributes, then the difference to the batch's time
    const delta = varint(bytes, place, recordEnd);
    const keyLength = varint(bytes, place, recordEnd);
    const valueLength = varint(bytes, keyLength < 0 ? place : place + keyLength, recordEnd);
    if (valueLength > recordEnd - place) throw new RangeError('a value is longer than its record');
    if (delta >= lowest) onValue(bytes, valueLength < 0 ? -1 : place, place + Math.max(0, valueLength), first, delta);
    at = recordEnd;
  }
}

/** The marker that ends a transaction: its key is a version and 0 for aborted, 1 for committed, both int16. */
function isAbort(bytes: Buffer, start: number, end: number, count: number): boolean {
  if (count === 0) return false;
  varint(bytes, start, end);
  skipVarint(bytes, place + 1, end);
  varint(bytes, place, end);
  const keyLength = varint(bytes, place, end);
  return keyLength >= 4 && bytes.readInt16BE(place + 2) === ABORT_MARKER;
}

/** A zigzag varint of 32 bits; {@link place} is behind it. */
function varint(bytes: Buffer, start: number, end: number): number {
  let value = 0;
  let at = start;
  for (let shift = 0; shift < 35; shift += 7) {
    if (at >= end) throw new RangeError('a record is cut off');
    const byte = bytes[at++]!;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      place = at;
      return (value >>> 1) ^ -(value & 1);
    }
  }
  throw new RangeError('a number of a record is too long');
}

/** Of up to 64 bits. */
function skipVarint(bytes: Buffer, start: number, end: number): void {
  for (let at = start; at < Math.min(end, start + 10); at++) {
    if (bytes[at]! < 0x80) {
      place = at + 1;
      return;
    }
  }
  throw new RangeError('a number of a record is too long');
}
