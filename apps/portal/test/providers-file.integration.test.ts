import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '#platform/config.js';
import { ProviderRegistry } from '#providers/registry.js';
import { apiKeyOwner, unseal, webhookSecretOwner } from '#providers/sealing.js';
import { eventually } from '#testing/eventually.js';
import { KEY, newPlace, type Place, type Portal, startPortal } from './portal.js';

const PROVIDERS = '/v1/identity-providers';
const keys = [{ id: 'k1', key: Buffer.from(KEY, 'base64') }];
const TOKEN = 'declared-endpoint-token-0123456789abcdef';

let place: Place;
let dir: string;
let file: string;
let registry: ProviderRegistry;
let portal: Portal | undefined;

beforeAll(async () => {
  place = await newPlace();
  dir = await mkdtemp(join(tmpdir(), 'rescind-providers-'));
  file = join(dir, 'providers.yaml');
  registry = new ProviderRegistry(place.client);
  process.env['TEST_WORKOS_API_KEY'] = 'sk_test_declared_api_key';
});
afterAll(async () => {
  delete process.env['TEST_WORKOS_API_KEY'];
  await registry.close();
  await portal?.close();
  await place.leave();
  await rm(dir, { recursive: true });
});

/** As a ConfigMap does: the new content is there at once or not at all. */
async function write(text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}
const yaml = (name: string, secrets = ['whsec_declared_secret_one']): string => `
providers:
  - id: workos-main
    name: ${name}
    kind: workos
    issuers: [https://api.workos.com/user_management/client_01DECLARED]
    api_key: \${TEST_WORKOS_API_KEY}
    webhook: { token: ${TOKEN}, secrets: [${secrets.join()}] }
`;
const start = () => startPortal(place, { RESCIND_PROVIDERS_FILE: file, PROVIDERS_FILE_POLL_MS: '50' });
const seen = (what: string, found: () => boolean) => eventually(found, { what });

test('what is declared is there, and cannot be changed in the page', async () => {
  await write(yaml('Declared'));
  portal = await start();
  await registry.start();
  await seen('it is published', () => registry.get('workos-main')?.webhook?.secrets.length === 1);
  const data = registry.byEndpointToken(TOKEN)!;
  expect(data).toMatchObject({ id: 'workos-main', jwks_uri: 'https://api.workos.com/sso/jwks/client_01DECLARED' });
  expect(unseal(data.api_key!, apiKeyOwner('workos-main'), keys)).toBe('sk_test_declared_api_key');
  expect(
    data.webhook!.secrets.map(({ id, sealed }) => unseal(sealed, webhookSecretOwner('workos-main', id), keys)),
  ).toEqual(['whsec_declared_secret_one']);

  const path = `${PROVIDERS}/workos-main`;
  const { body } = await portal.call('GET', path);
  expect(body).toMatchObject({ declared: true, claim_mappings_confirmed_at: expect.any(String), api_key_set: true });
  for (const answer of [
    await portal.call('PATCH', path, { name: 'Edited' }),
    await portal.call('DELETE', path),
    await portal.call('POST', `${path}/webhook`),
    await portal.call('POST', `${path}/webhook/secrets`, { secret: 'whsec_pasted_into_the_page' }),
    await portal.call('DELETE', `${path}/webhook/secrets/${data.webhook!.secrets[0]!.id}`),
  ]) {
    expect(answer).toMatchObject({ status: 409, body: { code: 'declared_in_file' } });
  }
  expect((await portal.call('GET', path)).body).toEqual({ ...body, published: true });
});

test('a change of the file is taken over; one that cannot be used changes nothing', async () => {
  await write(yaml('Renamed', ['whsec_declared_secret_one', 'whsec_declared_secret_two']));
  await seen('the name is seen', () => registry.get('workos-main')?.name === 'Renamed');
  await seen('the secret is seen', () => registry.get('workos-main')?.webhook?.secrets.length === 2);
  const { version } = registry.get('workos-main')!;

  await write(`providers: [{ id: workos-main, name: Broken, kind: nonsense, issuers: [sk_live_in_the_file] }]`);
  await seen('it is complained of', () => portal!.log().includes('cannot be used'));
  expect((await portal!.call('GET', `${PROVIDERS}/workos-main`)).body).toMatchObject({ name: 'Renamed', version });

  await write(yaml('Mended', ['whsec_declared_secret_two']));
  await seen('the old secret is gone', () => registry.get('workos-main')?.webhook?.secrets.length === 1);
});

test('starting again changes nothing', async () => {
  const before = (await portal!.call('GET', `${PROVIDERS}/workos-main`)).body as { version: number };
  await portal!.close();
  portal = await start();
  await seen('the file was read', () => portal!.log().includes('providers are as the file says'));
  expect((await portal.call('GET', `${PROVIDERS}/workos-main`)).body).toMatchObject({ version: before.version });
});

test('what the file no longer has stays, and can be deleted by hand', async () => {
  await write('providers: []');
  await seen('it is released', () => portal!.log().includes('no longer in the providers file'));
  expect(registry.get('workos-main')).toBeDefined();
  expect((await portal!.call('GET', `${PROVIDERS}/workos-main`)).body.declared).toBe(false);
  expect((await portal!.call('DELETE', `${PROVIDERS}/workos-main`)).status).toBe(204);
  await seen('it is gone', () => registry.get('workos-main') === undefined);
});

test('declared again after it was deleted, it is a newer version', async () => {
  await write(yaml('Back'));
  await seen('it is back', () => registry.get('workos-main')?.webhook?.secrets.length === 1);
  expect(registry.get('workos-main')!.version).toBeGreaterThan(3);
  const { body } = await portal!.call('GET', '/v1/audit?provider_id=workos-main&limit=500');
  expect(new Set(body.data.map(({ action }: { action: string }) => action))).toEqual(
    new Set(['provider_created', 'provider_changed', 'provider_deleted', 'provider_released', 'webhook_changed']),
  );
  const told = portal!.log() + JSON.stringify(body);
  expect(told).not.toMatch(/whsec_declared|sk_test_declared|sk_live_in_the_file/);
  expect(told).not.toContain(TOKEN);
});

test('a file that cannot be used keeps the service from starting, with every problem', async () => {
  await write('providers: [{ id: a, name: A, kind: workos, issuers: [https://api.workos.com] }, { id: B }]');
  const error = await start().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as ConfigError).problems.join('\n')).toContain('providers[1].id');

  await write('providers: [{ id: a, name: A, kind: workos, issuers: [https://api.workos.com] }]');
  await expect(start()).rejects.toThrow('providers[0].client_id');
  await rm(file);
  await expect(start()).rejects.toThrow('RESCIND_PROVIDERS_FILE: ENOENT');
});
