import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** An address that is known before the service behind it listens, as that of an ingress is. */
export class Front {
  /** The service. */
  to = '';

  private constructor(private readonly server: Server) {}

  static async start(): Promise<Front> {
    const server = createServer();
    const front = new Front(server);
    server.on('request', (request, response) => {
      void (async () => {
        const { method = 'GET', url = '', headers } = request;
        const { host: _, connection: __, 'content-length': ___, ...passed } = headers as Record<string, string>;
        const body = await buffer(request);
        const answer = await fetch(front.to + url, { method, headers: passed, ...(body.length > 0 ? { body } : {}) });
        const type = answer.headers.get('content-type');
        response.writeHead(answer.status, type === null ? {} : { 'content-type': type });
        response.end(Buffer.from(await answer.arrayBuffer()));
      })().catch(() => response.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return front;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
