import { connect } from 'node:net';

const METADATA = 3;
/** A Metadata request of version 1 for no topic: header (key, version, correlation id, no client id), empty array. */
const REQUEST = Buffer.from([0, 0, 0, 14, 0, METADATA, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0]);
const ANSWER_TIMEOUT_MS = 1_000;

/** The ids of the brokers that take part, as the one at this port of 127.0.0.1 sees it; undefined where nobody answers. */
export function brokersSeenAt(port: number): Promise<number[] | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let answer = Buffer.alloc(0);
    const end = (brokers?: number[]): void => {
      socket.destroy();
      resolve(brokers);
    };
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => end());
    socket.once('connect', () => socket.write(REQUEST));
    socket.once('error', () => end());
    socket.once('close', () => end());
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (answer.length >= 4 && answer.length >= 4 + answer.readInt32BE(0)) end(brokersIn(answer));
    });
  });
}

/** Size, correlation id, then an array of brokers: id, host, port, rack or none. */
function brokersIn(answer: Buffer): number[] {
  const ids: number[] = [];
  let at = 8;
  const count = answer.readInt32BE(at);
  at += 4;
  for (let index = 0; index < count; index++) {
    ids.push(answer.readInt32BE(at));
    at += 4;
    at += 2 + answer.readInt16BE(at) + 4;
    at += 2 + Math.max(0, answer.readInt16BE(at));
  }
  return ids;
}
