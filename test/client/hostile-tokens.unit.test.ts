import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRescind, type Rescind } from '#client/index.js';
import { hostileTokens, other, ours } from '../../apps/token-verification/test/hostile-tokens.js';

const { VECTORS, good } = hostileTokens(Date.now());
let keys: Server;
let rescind: Rescind;

beforeAll(async () => {
  keys = createServer((request, response) =>
    response.end(JSON.stringify({ keys: [(request.url === '/ours' ? ours : other).jwk] })),
  );
  await new Promise<void>((resolve) => keys.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(keys.address() as AddressInfo).port}`;
  rescind = createRescind({
    source: {
      open: (sink) => sink.proved({ at: new Date().toISOString(), ageMs: 0, receivedAt: performance.now() }),
      close: async () => undefined,
    },
    providers: [
      {
        id: 'idp_ours',
        issuers: [ours.issuer],
        jwksUri: `${url}/ours`,
        clientId: ours.clientId,
        audience: [ours.clientId],
      },
      { id: 'idp_other', issuers: [other.issuer], jwksUri: `${url}/other`, clientId: other.clientId },
    ],
    maxStalenessMs: 3_600_000,
  });
});

afterAll(async () => {
  await rescind.close();
  keys.closeAllConnections();
  keys.close();
});

test.each(VECTORS)('the client refuses what the service refuses: %s', async (_, hostile, reason) => {
  expect(await rescind.verify(hostile)).toEqual({ kind: 'refused', reason });
  // Nor does it get in by having been seen before, or when a good token was.
  expect(await rescind.verify(good)).toMatchObject({ kind: 'active' });
  expect(await rescind.verify(hostile)).toEqual({ kind: 'refused', reason });
});
