import kafkajs, { type ICustomPartitioner, type Message, type RecordMetadata } from 'kafkajs';
import type { OutgoingRecord, RecordPlace } from './record.js';

/**
 * The usual partitioner (murmur2 of the key), and the choice is kept on the message: a retry goes to the same partition, and
 * {@link isStored} can tell what was acknowledged.
 */
export const stickyPartitioner: ICustomPartitioner = () => {
  const choose = kafkajs.Partitioners.DefaultPartitioner();
  return (args) => (args.message.partition = choose(args));
};

/** {@link stickyPartitioner}; `onTopic` is told how many partitions a topic has by what each choice was made. */
export function countingPartitioner(onTopic: (topic: string, partitions: number) => void): ICustomPartitioner {
  return () => {
    const choose = stickyPartitioner();
    return (args) => {
      onTopic(args.topic, args.partitionMetadata.length);
      return choose(args);
    };
  };
}

export function toMessage({ key, value, headers, partition }: OutgoingRecord): Message {
  return {
    key: typeof key === 'string' ? Buffer.from(key) : key,
    value,
    ...(headers && { headers }),
    ...(partition !== undefined && { partition }),
  };
}

/** Bytes it takes in a request, roughly. */
export function sizeOf({ key, value, headers = {} }: OutgoingRecord): number {
  let bytes = 32 + (key === null ? 0 : Buffer.byteLength(key)) + (value?.length ?? 0);
  for (const [name, header] of Object.entries(headers)) bytes += 4 + name.length + Buffer.byteLength(header);
  return bytes;
}

/** One entry a topic, in the order of `sent`. */
export function byTopic(
  sent: readonly { topic: string; message: Message }[],
): { topic: string; messages: Message[] }[] {
  const messages = new Map<string, Message[]>();
  for (const { topic, message } of sent) {
    const list = messages.get(topic);
    if (list) list.push(message);
    else messages.set(topic, [message]);
  }
  return [...messages].map(([topic, list]) => ({ topic, messages: list }));
}

/**
 * Whether every one of `sent` is acknowledged. kafkajs 2.2.4 may resolve without: it remembers which brokers have answered,
 * so a partition whose leader moves, between two attempts, to a broker that has answered already is never sent.
 */
export function isStored(
  sent: readonly { topic: string; message: Message }[],
  acknowledged: RecordMetadata[],
): boolean {
  const partitions = new Set(
    acknowledged
      .filter(({ errorCode }) => errorCode === 0)
      .map(({ topicName, partition }) => `${topicName}/${partition}`),
  );
  return sent.every(({ topic, message }) => partitions.has(`${topic}/${message.partition}`));
}

/** Where each of `sent` stands: those of one partition one behind the other, from the offset that was acknowledged. */
export function placesOf(
  sent: readonly { topic: string; message: Message }[],
  acknowledged: readonly RecordMetadata[],
): RecordPlace[] {
  const next = new Map(
    acknowledged.map(({ topicName, partition, baseOffset }) => [`${topicName}/${partition}`, BigInt(baseOffset ?? -1)]),
  );
  return sent.map(({ topic, message }) => {
    const key = `${topic}/${message.partition}`;
    const offset = next.get(key)!;
    next.set(key, offset + 1n);
    return { partition: message.partition!, offset: String(offset) };
  });
}
