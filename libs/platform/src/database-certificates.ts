import { type DetailedPeerCertificate, TLSSocket } from 'node:tls';
import type { ClientBase } from 'pg';

/** Name → when it ends, ms: as the newest connection has seen them. */
let ends: Record<string, number> = {};

/**
 * When the certificates end that the way to Postgres needs, ms since the epoch: `postgres-server`, `postgres-ca` (of several
 * authorities above it the one that ends first) and `postgres-client`, where the service has one of its own. None without TLS.
 */
export const databaseCertificateEnds = (): Readonly<Record<string, number>> => ends;

/** Of a connection that was just made: connections do not last, so a certificate that was renewed is soon seen. */
export function noteDatabaseCertificates(client: ClientBase): void {
  // Not in pg's types: the socket that the protocol is spoken on, which is a TLS one where there is TLS.
  const { stream } = (client as unknown as { connection: { stream: unknown } }).connection;
  if (!(stream instanceof TLSSocket)) return;
  const server = stream.getPeerCertificate(true);
  const own = stream.getCertificate();
  const authorities = authoritiesOf(server).map(endOf);
  ends = {
    'postgres-server': endOf(server),
    ...(authorities.length > 0 && { 'postgres-ca': Math.min(...authorities) }),
    ...(own && 'valid_to' in own && { 'postgres-client': Date.parse(own.valid_to!) }),
  };
}

const endOf = ({ valid_to }: DetailedPeerCertificate): number => Date.parse(valid_to);

/** Who signed it, as far as it was sent or is trusted; a root stands above itself. */
function authoritiesOf(certificate: DetailedPeerCertificate): DetailedPeerCertificate[] {
  const above: DetailedPeerCertificate[] = [];
  for (let one = certificate; one.issuerCertificate && one.issuerCertificate !== one; one = one.issuerCertificate) {
    if (above.includes(one.issuerCertificate)) break;
    above.push(one.issuerCertificate);
  }
  return above;
}
