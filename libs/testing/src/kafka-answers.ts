import { connect } from 'node:net';

const ANSWER_TIMEOUT_MS = 1_000;
/** Metadata requests of version 1: header (key 3, version, correlation id, no client id), then the topics: none, or all. */
const header = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff];
const OF_NO_TOPIC = Buffer.from([...header, 0, 0, 0, 0]);
const OF_ALL_TOPICS = Buffer.from([...header, 0xff, 0xff, 0xff, 0xff]);

/** The ids of the brokers that take part, as the one at this port of 127.0.0.1 sees it; undefined where nobody answers. */
export async function brokersSeenAt(port: number): Promise<number[] | undefined> {
  const answer = await ask(port, OF_NO_TOPIC);
  return answer && brokersIn(new Reading(answer));
}

/** How many replicas are not in sync, as the broker at this port of 127.0.0.1 sees it; undefined where nobody answers. */
export async function replicasBehindAt(port: number): Promise<number | undefined> {
  const answer = await ask(port, OF_ALL_TOPICS);
  if (!answer) return undefined;
  const reading = new Reading(answer);
  brokersIn(reading);
  reading.int32(); // the controller
  return sum(
    reading.array(() => {
      reading.skip(2); // error
      reading.text();
      reading.skip(1); // internal or not
      return sum(
        reading.array(() => {
          reading.skip(2 + 4 + 4); // error, partition, leader
          const replicas = reading.array(() => reading.int32());
          const inSync = reading.array(() => reading.int32());
          return replicas.length - inSync.length;
        }),
      );
    }),
  );
}

function ask(port: number, request: Buffer): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let answer = Buffer.alloc(0);
    const end = (whole?: Buffer): void => {
      socket.destroy();
      resolve(whole);
    };
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => end());
    socket.once('connect', () => socket.write(request));
    socket.once('error', () => end());
    socket.once('close', () => end());
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (answer.length >= 4 && answer.length >= 4 + answer.readInt32BE(0)) end(answer);
    });
  });
}

/** An answer from its first field on, after size and correlation id. */
class Reading {
  private at = 8;

  constructor(private readonly answer: Buffer) {}

  skip(bytes: number): void {
    this.at += bytes;
  }

  int32(): number {
    this.at += 4;
    return this.answer.readInt32BE(this.at - 4);
  }

  /** Skipped; may be none. */
  text(): void {
    this.at += 2 + Math.max(0, this.answer.readInt16BE(this.at));
  }

  array<T>(item: () => T): T[] {
    return Array.from({ length: this.int32() }, item);
  }
}

function brokersIn(reading: Reading): number[] {
  return reading.array(() => {
    const id = reading.int32();
    reading.text(); // host
    reading.int32(); // port
    reading.text(); // rack
    return id;
  });
}

const sum = (numbers: number[]): number => numbers.reduce((total, number) => total + number, 0);
