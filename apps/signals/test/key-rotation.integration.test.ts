import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import { eventually } from '#testing/eventually.js';
import { PROVIDER, revocationOf } from './records.js';
import { ENCRYPTION_KEY, newPlace, type Place, publishRevocation, Signals } from './signals.js';
import { SsfTransmitter } from './ssf-transmitter.js';

const OLD = `k1:${ENCRYPTION_KEY}`;
const NEW = `k2:${randomBytes(32).toString('base64')}`;

const told: { headers: IncomingHttpHeaders; body: string }[] = [];
let application: Server;
let transmitter: SsfTransmitter;
let place: Place;
let signals: Signals;
beforeAll(async () => {
  place = await newPlace();
  application = createServer((request, response) => {
    void text(request).then((body) => {
      told.push({ headers: request.headers, body });
      response.writeHead(204).end();
    });
  }).listen(0, '127.0.0.1');
  await once(application, 'listening');
});
afterAll(async () => {
  application.closeAllConnections();
  application.close();
  await signals?.stop();
  await transmitter?.close();
  await place?.leave();
});

const restartWith = async (keys: string): Promise<void> => {
  await signals?.stop();
  signals = new Signals(place, { RESCIND_ENCRYPTION_KEYS: keys });
  await signals.start();
};

test('the encryption key is rotated as docs/operations.md says: webhooks are signed as before, and so are SETs', async () => {
  await restartWith(OLD);
  const url = `http://127.0.0.1:${(application.address() as AddressInfo).port}/told`;
  const { body: stream } = await signals.call('POST', '/v1/streams', { kind: 'webhook', url });
  const keys = async (): Promise<unknown> => (await fetch(`${signals.url}/.well-known/jwks.json`)).text();
  const published = await keys();
  transmitter = await SsfTransmitter.start();
  await signals.call('POST', '/v1/sources', {
    name: 'polled',
    issuer: transmitter.issuer,
    audience: transmitter.audience,
    provider_id: PROVIDER,
    poll: { endpoint_url: `${transmitter.issuer}/poll`, authorization_header: transmitter.authorization },
  });
  const { body: connected } = await signals.call('POST', '/v1/sources', {
    name: 'connected',
    issuer: transmitter.issuer,
    provider_id: PROVIDER,
    stream: { method: 'push', authorization_header: transmitter.authorization },
  });

  await restartWith(`${OLD},${NEW}`);
  await restartWith(`${NEW},${OLD}`);
  // Counted while nobody polls: the replica before may still be about to.
  await signals.stop();
  const before = transmitter.requests.length;
  await restartWith(NEW);
  await publishRevocation(place, revocationOf({ organization_id: 'org_a' }, 10, 'event_rotation'));
  await eventually(() => told.length > 0, { what: 'a webhook after the rotation' });
  const [{ headers, body }] = told as [(typeof told)[number]];
  expect(new Webhook(stream.secret).verify(body, headers as Record<string, string>)).toMatchObject({
    type: 'access.revoked',
  });
  expect(await keys()).toEqual(published);
  // Since the last start it is known to polled sources alone with what the new key has sealed.
  await eventually(() => transmitter.requests.length > before, { what: 'a poll after the rotation' });
  expect(transmitter.requests.at(-1)!.authorization).toBe(transmitter.authorization);
  // And so it is to those whose stream we have made: what is pushed has nowhere to come to here, that it is asked for is enough.
  expect(await signals.call('GET', `/v1/sources/${connected.id}/stream`)).toMatchObject({ status: 200 });
});
