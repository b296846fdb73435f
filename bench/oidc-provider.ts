import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { peer } from './peers.js';

// The peer of introspection, a process of its own: an OAuth server as documented, with its store in memory. No audit, no
// events, and it knows only the tokens that it has issued itself.
const { default: Provider } = await peer<{ default: new (issuer: string, configuration: object) => OidcProvider }>(
  'oidc-provider',
);
const provider = new Provider('http://127.0.0.1', {
  clients: [
    {
      client_id: 'bench',
      client_secret: process.env['PEER_CLIENT_SECRET'],
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    },
  ],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
  },
  ttl: { ClientCredentials: () => 3_600 },
});
const server = createServer(provider.callback());
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));

interface OidcProvider {
  callback(): RequestListener;
}
