import { createRequire } from 'node:module';

/** As kafkajs hands it to its encoder; all of it is there for records of our own. */
export interface ProduceRequest {
  transactionalId?: string | null;
  acks: number;
  timeout: number;
  compression?: number;
  producerId?: unknown;
  producerEpoch?: number;
  topicData: {
    topic: string;
    partitions: { partition: number; firstSequence?: number; messages: ProducedMessage[] }[];
  }[];
}

export interface ProducedMessage {
  key?: Buffer | string | null;
  value: Buffer | string | null;
  headers?: Record<string, Buffer | string | (Buffer | string)[] | undefined>;
  timestamp?: string;
}

/** kafkajs's own. */
interface Encoder {
  buf: Buffer;
  offset: number;
}
interface EncodedRequest {
  encode(): Promise<Encoder>;
}
type ProduceV3 = (request: ProduceRequest) => EncodedRequest;

/**
 * Has kafkajs 2.2.4 encode produce requests in one pass. Its own way makes several buffers of each record and copies all of them
 * six times, which was a third of what a webhook cost. It takes the module that all newer versions of the request are made of from
 * the cache of modules when it first produces, so this has to come before. What is compressed or has times of its own it encodes itself.
 */
export function encodeProduceInOnePass(): void {
  const load = createRequire(import.meta.url);
  const path = load.resolve('kafkajs/src/protocol/requests/produce/v3/request');
  const original = load(path) as ProduceV3;
  const KafkaEncoder = load('kafkajs/src/protocol/encoder') as new (size: number) => Encoder;
  const inOnePass: ProduceV3 = (request) => {
    const usual = original(request);
    const isOurs = !request.compression && request.topicData.every(({ partitions }) => partitions.every(isPlain));
    if (!isOurs) return usual;
    return {
      ...usual,
      encode: () => {
        const encoder = new KafkaEncoder(1);
        encoder.buf = encodeProduce(request, Date.now());
        encoder.offset = encoder.buf.length;
        return Promise.resolve(encoder);
      },
    };
  };
  load.cache[path]!.exports = inOnePass;
}

const isPlain = ({ messages }: { messages: readonly ProducedMessage[] }): boolean =>
  messages.every(({ timestamp }) => timestamp === undefined);

/** Before the records: base offset, length, leader epoch, magic, checksum, … (RecordBatch, version 2). */
const BATCH_HEAD = 61;
const LENGTH_AT = 8;
const CRC_AT = 17;
/** The checksum is of what follows it. */
const ATTRIBUTES_AT = 21;
const MAGIC = 2;
const TRANSACTIONAL = 16;

/** The body of a produce request, version 3 and newer, uncompressed: https://kafka.apache.org/protocol, https://kafka.apache.org/documentation/#recordbatch */
export function encodeProduce(request: ProduceRequest, now: number): Buffer {
  const { transactionalId = null, acks, timeout, topicData } = request;
  const sizes = topicData.map(({ partitions }) => partitions.map(({ messages }) => messages.map(sizeOfBody)));
  const writer = new Writer(sizeOfRequest(request, sizes));
  writer.string(transactionalId);
  writer.int16(acks);
  writer.int32(timeout);
  writer.int32(topicData.length);
  for (const [t, { topic, partitions }] of topicData.entries()) {
    writer.string(topic);
    writer.int32(partitions.length);
    for (const [p, { partition, firstSequence = 0, messages }] of partitions.entries()) {
      writer.int32(partition);
      const recordSet = writer.at;
      writer.int32(0); // known in the end
      writeBatch(writer, { ...request, firstSequence, messages, now }, sizes[t]![p]!);
      writer.buffer.writeInt32BE(writer.at - recordSet - 4, recordSet);
    }
  }
  return writer.buffer;
}

interface Batch extends Pick<ProduceRequest, 'transactionalId' | 'producerId' | 'producerEpoch'> {
  firstSequence: number;
  messages: readonly ProducedMessage[];
  now: number;
}

function writeBatch(writer: Writer, batch: Batch, sizes: readonly number[]): void {
  const { messages, now, producerId = -1, producerEpoch = 0, firstSequence, transactionalId } = batch;
  const start = writer.at;
  const { buffer } = writer;
  buffer.writeBigInt64BE(0n, start); // base offset: the broker's
  buffer.writeInt32BE(0, start + 12); // leader epoch
  buffer.writeInt8(MAGIC, start + 16);
  buffer.writeInt16BE(transactionalId ? TRANSACTIONAL : 0, start + ATTRIBUTES_AT);
  buffer.writeInt32BE(messages.length - 1, start + 23);
  buffer.writeBigInt64BE(BigInt(now), start + 27);
  buffer.writeBigInt64BE(BigInt(now), start + 35);
  buffer.writeBigInt64BE(BigInt(String(producerId)), start + 43); // kafkajs's Long, or a number
  buffer.writeInt16BE(producerEpoch, start + 51);
  buffer.writeInt32BE(firstSequence, start + 53);
  buffer.writeInt32BE(messages.length, start + 57);
  writer.at = start + BATCH_HEAD;
  for (const [index, message] of messages.entries()) writeRecord(writer, message, index, sizes[index]!);
  buffer.writeInt32BE(writer.at - start - LENGTH_AT - 4, start + LENGTH_AT);
  buffer.writeUInt32BE(crc32c(buffer, start + ATTRIBUTES_AT, writer.at), start + CRC_AT);
}

function writeRecord(writer: Writer, { key, value, headers }: ProducedMessage, index: number, size: number): void {
  writer.varint(size + sizeOfVarint(index));
  writer.int8(0); // attributes
  writer.varint(0); // all of the same moment
  writer.varint(index);
  writer.bytes(key ?? null);
  writer.bytes(value);
  const list = listOf(headers);
  writer.varint(list.length);
  for (const [name, header] of list) {
    writer.bytes(name);
    writer.bytes(header);
  }
}

/** Without its own length and its place in the batch. */
function sizeOfBody({ key, value, headers }: ProducedMessage): number {
  const list = listOf(headers);
  let size = 2 + sizeOfBytes(key ?? null) + sizeOfBytes(value) + sizeOfVarint(list.length);
  for (const [name, header] of list) size += sizeOfBytes(name) + sizeOfBytes(header);
  return size;
}

function sizeOfRequest({ transactionalId, topicData }: ProduceRequest, sizes: readonly number[][][]): number {
  let size = 2 + (transactionalId ? Buffer.byteLength(transactionalId) : 0) + 2 + 4 + 4;
  for (const [t, { topic, partitions }] of topicData.entries()) {
    size += 2 + Buffer.byteLength(topic) + 4;
    for (const [p] of partitions.entries()) {
      size += 4 + 4 + BATCH_HEAD;
      for (const [index, body] of sizes[t]![p]!.entries()) {
        const whole = body + sizeOfVarint(index);
        size += sizeOfVarint(whole) + whole;
      }
    }
  }
  return size;
}

const NO_HEADERS: [string, Buffer | string][] = [];

function listOf(headers: ProducedMessage['headers']): [string, Buffer | string][] {
  if (headers === undefined) return NO_HEADERS;
  const list: [string, Buffer | string][] = [];
  for (const name in headers) {
    const value = headers[name];
    if (Array.isArray(value)) for (const one of value) list.push([name, one]);
    else if (value !== undefined) list.push([name, value]);
  }
  return list;
}

const sizeOfBytes = (value: Buffer | string | null): number => {
  if (value === null) return 1; // -1
  const length = typeof value === 'string' ? Buffer.byteLength(value) : value.length;
  return sizeOfVarint(length) + length;
};

/** Zigzag, seven bits a byte. Of numbers of 31 bits. */
function sizeOfVarint(value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  let size = 1;
  for (; rest > 0x7f; rest >>>= 7) size += 1;
  return size;
}

class Writer {
  readonly buffer: Buffer;
  at = 0;

  constructor(size: number) {
    this.buffer = Buffer.allocUnsafe(size);
  }

  int8(value: number): void {
    this.buffer[this.at++] = value;
  }

  int16(value: number): void {
    this.at = this.buffer.writeInt16BE(value, this.at);
  }

  int32(value: number): void {
    this.at = this.buffer.writeInt32BE(value, this.at);
  }

  string(value: string | null): void {
    this.int16(value === null ? -1 : Buffer.byteLength(value));
    if (value !== null) this.at += this.buffer.write(value, this.at);
  }

  varint(value: number): void {
    let rest = ((value << 1) ^ (value >> 31)) >>> 0;
    for (; rest > 0x7f; rest >>>= 7) this.buffer[this.at++] = (rest & 0x7f) | 0x80;
    this.buffer[this.at++] = rest;
  }

  bytes(value: Buffer | string | null): void {
    if (value === null) return this.varint(-1);
    if (typeof value === 'string') {
      this.varint(Buffer.byteLength(value));
      this.at += this.buffer.write(value, this.at);
    } else {
      this.varint(value.length);
      this.at += value.copy(this.buffer, this.at);
    }
  }
}

/** Eight tables: of a byte, of a byte with one zero behind it, … so that eight bytes are taken at once. */
const TABLES = tables();

function tables(): Int32Array {
  const all = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    all[byte] = crc;
  }
  for (let entry = 256; entry < all.length; entry++) {
    const before = all[entry - 256]!;
    all[entry] = (before >>> 8) ^ all[before & 0xff]!;
  }
  return all;
}

/** CRC-32C (RFC 3720, appendix B.4) of `bytes` from `start` to `end`. */
export function crc32c(bytes: Uint8Array, start: number, end: number): number {
  let crc = -1;
  let at = start;
  for (const last = end - 8; at <= last; at += 8) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc =
      TABLES[1792 + (crc & 0xff)]! ^
      TABLES[1536 + ((crc >>> 8) & 0xff)]! ^
      TABLES[1280 + ((crc >>> 16) & 0xff)]! ^
      TABLES[1024 + (crc >>> 24)]! ^
      TABLES[768 + bytes[at + 4]!]! ^
      TABLES[512 + bytes[at + 5]!]! ^
      TABLES[256 + bytes[at + 6]!]! ^
      TABLES[bytes[at + 7]!]!;
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ TABLES[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}
