import { createRequire } from 'node:module';
import fc from 'fast-check';
import { correctKafkajs } from '../src/kafkajs-corrections.js';
import { crc32c, encodeProduce, type ProducedMessage, type ProduceRequest } from '../src/produce-encoding.js';

const load = createRequire(import.meta.url);
type Encoded = { buf: Buffer; buffer: Buffer };
type Encode = (request: ProduceRequest) => { encode(): Promise<Encoded> };
/** kafkajs's own, from before it is corrected. */
const usual = load('kafkajs/src/protocol/requests/produce/v3/request') as Encode;
const Long = load('kafkajs/src/utils/long') as { fromNumber(value: number): unknown };

const NOW = Date.parse('2026-01-15T12:00:00.000Z');
const clock = Date.now;
beforeEach(() => void (Date.now = () => NOW));
afterEach(() => void (Date.now = clock));

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const header = fc.oneof(bytes, fc.string({ unit: 'binary' }));
const message: fc.Arbitrary<ProducedMessage> = fc.record(
  {
    key: fc.option(fc.oneof(bytes, fc.string({ unit: 'binary' }))),
    value: fc.option(fc.oneof(bytes, fc.string({ unit: 'binary' }))),
    headers: fc.dictionary(fc.string({ unit: 'binary', maxLength: 90 }), fc.oneof(header, fc.array(header))),
  },
  { requiredKeys: ['value'] },
);
const small: fc.Arbitrary<ProducedMessage> = fc.record({ key: fc.string({ maxLength: 3 }), value: fc.constant(null) });
const request: fc.Arbitrary<ProduceRequest> = fc.record({
  transactionalId: fc.option(fc.string({ minLength: 1 })),
  acks: fc.constantFrom(-1, 1),
  timeout: fc.nat(),
  compression: fc.constant(0),
  producerId: fc.integer({ min: -1, max: 2 ** 40 }).map((id) => Long.fromNumber(id)),
  producerEpoch: fc.nat(32_767),
  topicData: fc.array(
    fc.record({
      topic: fc.string({ minLength: 1, maxLength: 40 }),
      partitions: fc.array(
        fc.record({
          partition: fc.nat(1_000),
          firstSequence: fc.nat(),
          // More than 63, so that their places take two bytes.
          messages: fc.oneof(fc.array(message, { minLength: 1 }), fc.array(small, { minLength: 70, maxLength: 80 })),
        }),
        { maxLength: 3 },
      ),
    }),
    { maxLength: 2 },
  ),
});

test('each byte is what kafkajs would have sent', async () => {
  await fc.assert(
    fc.asyncProperty(request, async (one) => {
      const expected = (await usual(one).encode()).buffer;
      expect(encodeProduce(one, NOW).equals(expected)).toBe(true);
    }),
    { numRuns: 50 },
  );
});

test('a large record too', async () => {
  const messages = [{ key: 'k', value: Buffer.alloc(1_000_000, 'x') }, { value: null }];
  const one = { acks: -1, timeout: 5_000, topicData: [{ topic: 't', partitions: [{ partition: 0, messages }] }] };
  expect(encodeProduce(one, NOW).equals((await usual(one).encode()).buffer)).toBe(true);
});

// RFC 3720, appendix B.4
test.each([
  ['32 bytes of zero', Buffer.alloc(32), 0x8a9136aa],
  ['32 bytes of one', Buffer.alloc(32, 0xff), 0x62a8ab43],
  ['32 bytes, incrementing', Buffer.from(Array.from({ length: 32 }, (_, index) => index)), 0x46dd794e],
  ['of no multiple of eight', Buffer.from('123456789'), 0xe3069283],
])('CRC-32C of %s', (_, text, crc) => {
  expect(crc32c(text, 0, text.length)).toBe(crc);
  expect(crc32c(Buffer.concat([Buffer.from('x'), text, Buffer.from('y')]), 1, text.length + 1)).toBe(crc);
});

test('it is what kafkajs sends with, but for what is compressed or has times of its own', async () => {
  correctKafkajs();
  const produce = load('kafkajs/src/protocol/requests/produce') as {
    protocol(is: { version: number }): (request: ProduceRequest) => { request: ReturnType<Encode> };
  };
  const of = (message: object, compression = 0): ProduceRequest => {
    const messages = [{ key: 'k', value: Buffer.from('v'), ...message }];
    return { acks: -1, timeout: 1, compression, topicData: [{ topic: 't', partitions: [{ partition: 0, messages }] }] };
  };
  const sent = (one: ProduceRequest) => produce.protocol({ version: 7 })(one).request.encode();
  for (const one of [of({}), of({ timestamp: '1768478400123' }), of({}, 1)]) {
    expect((await sent(one)).buffer.equals((await usual(one).encode()).buffer)).toBe(true);
  }
  // Of kafkajs's own there is more than it needs.
  const isExact = ({ buf, buffer }: Encoded): boolean => buf.length === buffer.length;
  expect(isExact(await sent(of({})))).toBe(true);
  expect(isExact(await sent(of({ timestamp: '1768478400123' })))).toBe(false);
});
