import { randomBytes } from 'node:crypto';
import type { EncryptionKeys } from '#providers/sealing.js';
import { encryptionKeys, unseal, webhookSecretOwner } from '#providers/sealing.js';
import { ProviderRegistry } from '#providers/registry.js';
import { SILENT } from '#kafka/logger.js';
import { eventually } from '#testing/eventually.js';
import { API_KEY, KEY, newPlace, type Place, type Portal, startPortal } from './portal.js';

const OLD = `k1:${KEY}`;
const NEW = `k2:${randomBytes(32).toString('base64')}`;

let place: Place;
let portal: Portal;
let registry: ProviderRegistry;
beforeAll(async () => {
  place = await newPlace();
  registry = new ProviderRegistry(place.client, SILENT as never);
  portal = await startPortal(place, { RESCIND_ENCRYPTION_KEYS: OLD });
  await registry.start();
});
afterAll(async () => {
  await registry?.close();
  await portal?.close();
  await place?.leave();
});

const restartWith = async (keys: string): Promise<void> => {
  await portal.close();
  portal = await startPortal(place, { RESCIND_ENCRYPTION_KEYS: keys });
};

test('the encryption key is rotated as docs/operations.md says: no secret is lost, and the old key opens nothing any more', async () => {
  const made = await portal.call('POST', '/v1/identity-providers', {
    name: 'of the test',
    kind: 'workos',
    issuers: ['https://issuer.example.com/client_1'],
    jwks_uri: 'https://issuer.example.com/jwks',
    client_id: 'client_1',
    claim_mappings: { organization_id: 'org_id' },
  });
  expect(made.status).toBe(201);
  const id = made.body.id as string;
  const { url, secret } = (await portal.call('POST', `/v1/identity-providers/${id}/webhook`)).body;

  /** What a service with these keys makes of what is published; undefined where it opens nothing. */
  const opened = (keys: EncryptionKeys): string | undefined => {
    const [sealed] = registry.get(id)?.webhook?.secrets ?? [];
    try {
      return sealed && unseal(sealed.sealed, webhookSecretOwner(id, sealed.id), keys);
    } catch {
      return undefined;
    }
  };
  const [old, both, fresh] = [OLD, `${OLD},${NEW}`, NEW].map((keys) => encryptionKeys.parse(keys));
  await eventually(() => opened(old!) === secret, { what: 'the secret, sealed with the old key' });

  // 1. The new key behind the old one, everywhere: nothing changes, and every service can open what comes next.
  await restartWith(`${OLD},${NEW}`);
  expect([opened(old!), opened(both!), opened(fresh!)]).toEqual([secret, secret, undefined]);

  // 2. The new key first: the portal seals everything with it, and says so.
  await restartWith(`${NEW},${OLD}`);
  await eventually(() => opened(fresh!) === secret, { what: 'the secret, sealed with the new key' });
  expect([opened(old!), opened(both!)]).toEqual([undefined, secret]);
  const audit = (await portal.call('GET', '/v1/audit')).body.data as { action: string; detail: object }[];
  expect(audit.find(({ action }) => action === 'secrets_resealed')).toMatchObject({ detail: { key: 'k2' } });

  // 3. The old key taken out: everything is there still.
  await restartWith(NEW);
  const webhook = await portal.call('GET', `/v1/identity-providers/${id}/webhook`);
  expect(webhook.body.url).toBe(url);
  expect(portal.log()).not.toMatch(/cannot be opened/);
  for (const key of [OLD, NEW, API_KEY]) expect(portal.log()).not.toContain(key.split(':').at(-1));
});
