import { connect, Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { ISocketFactory } from 'kafkajs';
import type { AnswerBuffers } from './answer-buffers.js';
import { noteBrokerCertificate } from './certificates.js';

const KEEP_ALIVE_MS = 60_000;
export const GIVEN_UP = new Error('cut off by us');

/**
 * The sockets of one producer or consumer, which can be cut off for good. kafkajs goes on retrying, and connects again for
 * it, after its caller has given up and even after `disconnect`: cut off, it can no longer store a record or become the
 * holder of a transactional id behind our back.
 */
export class Connections {
  private readonly sockets = new Set<Socket>();
  private isCut = false;

  /**
   * @param onLost one of them was closed, but not by {@link cutOff}
   * @param answers where large answers are received; each in memory of its own where undefined
   */
  constructor(
    private readonly onLost: () => void = () => undefined,
    private readonly answers?: AnswerBuffers,
  ) {}

  readonly socketFactory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    if (this.isCut) return refused();
    const servername = /^[\d.]+$|:/.test(host) ? {} : { servername: host };
    const onread = this.answers?.receive(
      (answer) => socket.emit('data', answer),
      (error) => socket.destroy(error),
    );
    const to = { host, port, ...(onread && { onread }) };
    const socket: Socket = ssl
      ? connectTls({ ...to, ...servername, ...(ssl as object) }, function (this: TLSSocket) {
          noteBrokerCertificate(`${host}:${port}`, this.getPeerCertificate().valid_to);
          onConnect();
        })
      : connect(to, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.setNoDelay(true);
    this.sockets.add(socket);
    socket.on('error', () => undefined); // kafkajs listens too, but not to the end
    socket.once('close', () => {
      this.sockets.delete(socket);
      if (!this.isCut) this.onLost();
    });
    return socket;
  };

  cutOff(): void {
    this.isCut = true;
    for (const socket of this.sockets) socket.destroy(socket.writableEnded ? undefined : GIVEN_UP);
  }
}

function refused(): Socket {
  const socket = new Socket();
  process.nextTick(() => socket.destroy(GIVEN_UP));
  return socket;
}
