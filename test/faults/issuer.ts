import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Whose tokens the clients hold: an issuer of the runner's own, with its key set over HTTP. */
export class Issuer {
  private readonly keys = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  private server: Server | undefined;
  base = '';

  async start(): Promise<void> {
    const jwk = { ...this.keys.publicKey.export({ format: 'jwk' }), kid: 'faults', use: 'sig', alg: 'RS256' };
    this.server = createServer((_request, response) => response.end(JSON.stringify({ keys: [jwk] })));
    await new Promise<void>((resolve) => this.server!.listen(0, '127.0.0.1', resolve));
    this.base = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  mint(issuer: string, claims: Record<string, unknown>): string {
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const input = `${encode({ alg: 'RS256', kid: 'faults' })}.${encode({ iss: issuer, exp: 4_000_000_000, ...claims })}`;
    return `${input}.${sign('sha256', Buffer.from(input), this.keys.privateKey).toString('base64url')}`;
  }

  stop(): void {
    this.server?.closeAllConnections();
    this.server?.close();
  }
}
