import { connect, type Socket } from 'node:net';

export interface Load {
  /** Answers a second. */
  rate: number;
  /** Status → how many. */
  statuses: Record<number, number>;
  /** Answers that were not 200, or whose body does not hold what was expected. */
  odd: number;
  /** Milliseconds from request to answer, one for each. */
  latencies: number[];
}

/**
 * Sends requests over keep-alive connections, one at a time on each, for the time given. It speaks just as much HTTP/1.1
 * as our services answer with (Content-Length, no chunks), so that on a small machine the client costs little.
 *
 * @param request the whole request, head and body, as bytes; called for each one
 * @param ratePerSecond at most this many a second over all connections; as many as they take without it
 * @param expected what the body of each answer holds
 */
export async function load(
  url: string,
  request: (index: number) => Buffer,
  { connections = 64, durationMs = 5_000, ratePerSecond = Infinity, expected = '' } = {},
): Promise<Load> {
  const { hostname, port } = new URL(url);
  const result: Load = { rate: 0, statuses: {}, odd: 0, latencies: [] };
  const started = performance.now();
  let sent = 0;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true });
      const answers = new Answers(socket);
      try {
        while (performance.now() - started < durationMs) {
          const early = started + (sent * 1_000) / ratePerSecond - performance.now();
          const index = sent++;
          if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
          const at = performance.now();
          socket.write(request(index));
          const { status, body } = await answers.next();
          result.latencies.push(performance.now() - at);
          if (status !== 200 || !body.includes(expected)) result.odd += 1;
          result.statuses[status] = (result.statuses[status] ?? 0) + 1;
        }
      } finally {
        socket.destroy();
      }
    }),
  );
  result.rate = (result.latencies.length * 1_000) / (performance.now() - started);
  return result;
}

/** A request with everything that a server needs, ready to be written. */
export function httpRequest(
  method: string,
  url: string,
  headers: Record<string, string>,
  body: Buffer | string = '',
): Buffer {
  const { host, pathname, search } = new URL(url);
  const bytes = Buffer.from(body);
  const lines = Object.entries({ host, ...headers, 'content-length': String(bytes.length) });
  const head = [
    `${method} ${pathname}${search} HTTP/1.1`,
    ...lines.map(([name, value]) => `${name}: ${value}`),
    '',
    '',
  ];
  return Buffer.concat([Buffer.from(head.join('\r\n')), bytes]);
}

interface Answer {
  status: number;
  body: Buffer;
}

/** The answers on one connection, in their order. */
class Answers {
  private buffered: Buffer = Buffer.alloc(0);
  private waiting: { resolve(answer: Answer): void; reject(error: Error): void } | undefined;

  constructor(socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.buffered = this.buffered.length === 0 ? chunk : Buffer.concat([this.buffered, chunk]);
      this.deliver();
    });
    socket.on('error', (error) => this.waiting?.reject(error));
    socket.on('close', () => this.waiting?.reject(new Error('the server closed the connection')));
  }

  next(): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.deliver();
    });
  }

  private deliver(): void {
    const headEnd = this.buffered.indexOf('\r\n\r\n');
    if (headEnd < 0 || !this.waiting) return;
    const head = this.buffered.toString('latin1', 0, headEnd);
    const end = headEnd + 4 + Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (this.buffered.length < end) return;
    const body = this.buffered.subarray(headEnd + 4, end);
    this.buffered = this.buffered.subarray(end);
    const { resolve } = this.waiting;
    this.waiting = undefined;
    resolve({ status: Number(head.slice(9, 12)), body });
  }
}
