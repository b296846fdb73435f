import { randomUUID } from 'node:crypto';
import { SIGN_IN_TYPE } from '#contracts/sign-in.js';
import { TOPICS } from '#contracts/topics.js';
import { WEBHOOK_ACTIVITY_TYPE } from '#contracts/webhook-activity.js';
import { BatchPublisher } from '#kafka/publisher.js';
import pg from 'pg';
import { Database } from '#platform/database.js';
import { apiKeyOwner, unseal, webhookSecretOwner } from '#providers/sealing.js';
import { ProviderRegistry } from '#providers/registry.js';
import { eventually } from '#testing/eventually.js';
import { KEY, newPlace, type Place, type Portal, startPortal } from './portal.js';

const PROVIDERS = '/v1/identity-providers';
const keys = [{ id: 'k1', key: Buffer.from(KEY, 'base64') }];
const ISSUER = 'https://api.workos.com/user_management/client_01TEST';

let place: Place;
let portal: Portal;
let registry: ProviderRegistry;
beforeAll(async () => {
  place = await newPlace();
  portal = await startPortal(place);
  registry = new ProviderRegistry(place.client);
  await registry.start();
  await registry.ready;
});
afterAll(async () => {
  await registry.close();
  await portal.close();
  await place.leave();
});

const workos = (more: object = {}): object => ({ name: 'WorkOS', kind: 'workos', issuers: [ISSUER], ...more });
async function create(more: object = {}): Promise<string> {
  const { status, body } = await portal.call('POST', PROVIDERS, workos(more));
  expect(body).toMatchObject({ id: expect.stringMatching(/^idp_/) });
  expect(status).toBe(201);
  return body.id as string;
}
const seen = (id: string, version: number) =>
  eventually(
    () => {
      const data = registry.get(id);
      return data?.version === version ? data : undefined;
    },
    { what: `version ${version} of ${id} is seen` },
  );

test('a minimal WorkOS provider gets the values that real tokens need', async () => {
  const { status, body } = await portal.call('POST', PROVIDERS, workos());
  expect(status).toBe(201);
  expect(body).toMatchObject({
    kind: 'workos',
    issuers: [ISSUER],
    client_id: 'client_01TEST',
    jwks_uri: 'https://api.workos.com/sso/jwks/client_01TEST',
    jwks_uri_source: 'workos',
    audience: ['client_01TEST'],
    audience_policy: 'bound_by_keys',
    algorithms: ['RS256'],
    claim_mappings: { user_id: 'sub', organization_id: 'org_id', session_id: 'sid' },
    required_claims: ['sid'],
    allow_impersonation: false,
    api_key_set: false,
    webhook_enabled: false,
    declared: false,
    version: 1,
  });
  const { jwks_uri, audience, audience_policy, version } = await seen(body.id, 1);
  expect({ jwks_uri, audience, audience_policy, version }).toEqual({
    jwks_uri: 'https://api.workos.com/sso/jwks/client_01TEST',
    audience: ['client_01TEST'],
    audience_policy: 'bound_by_keys',
    version: 1,
  });
});

test('an audience that was given is checked where a token has one', async () => {
  const { body } = await portal.call('POST', PROVIDERS, workos({ audience: 'https://api.example.com' }));
  expect(body).toMatchObject({ audience: ['https://api.example.com'], audience_policy: 'if_present' });
});

test('another issuer needs an audience, since its keys sign for all its clients', async () => {
  const given = { name: 'Auth0', kind: 'oidc', issuers: ['https://auth.invalid/'] };
  const refused = await portal.call('POST', PROVIDERS, given);
  expect(refused.status).toBe(400);
  expect(refused.body).toMatchObject({ code: 'request_invalid', errors: [{ field: 'audience' }] });

  const made = await portal.call('POST', PROVIDERS, { ...given, audience: ['api'] });
  expect(made.body).toMatchObject({
    issuers: ['https://auth.invalid/'],
    audience_policy: 'required',
    jwks_uri: 'https://auth.invalid/.well-known/jwks.json',
    jwks_uri_source: 'well_known',
  });
});

test('a change, and an end, are seen', async () => {
  const id = await create();
  await seen(id, 1);

  expect((await portal.call('PATCH', `${PROVIDERS}/${id}`, { algorithms: ['RS256', 'ES256'] })).body.version).toBe(2);
  expect((await seen(id, 2)).algorithms).toEqual(['RS256', 'ES256']);

  expect((await portal.call('DELETE', `${PROVIDERS}/${id}`)).status).toBe(204);
  await eventually(() => registry.get(id) === undefined, { what: 'it is gone' });
  expect((await portal.call('GET', `${PROVIDERS}/${id}`)).body.code).toBe('provider_unknown');
});

test('a change keeps what it leaves out, null brings the default back, nothing different makes no version', async () => {
  const id = await create({ audience: ['one', 'two'], clock_tolerance_seconds: 7 });
  const path = `${PROVIDERS}/${id}`;
  expect((await portal.call('PATCH', path, { name: 'Renamed' })).body).toMatchObject({
    name: 'Renamed',
    audience: ['one', 'two'],
    clock_tolerance_seconds: 7,
    version: 2,
  });
  expect((await portal.call('PATCH', path, { audience: null })).body).toMatchObject({
    audience: ['client_01TEST'],
    version: 3,
  });
  expect((await portal.call('PATCH', path, { name: 'Renamed' })).body.version).toBe(3);
});

test('keys are looked for again where what they depend on changes', async () => {
  const id = await create();
  const { body } = await portal.call('PATCH', `${PROVIDERS}/${id}`, { client_id: 'client_02OTHER' });
  expect(body.jwks_uri).toBe('https://api.workos.com/sso/jwks/client_02OTHER');
  const given = await portal.call('PATCH', `${PROVIDERS}/${id}`, { jwks_uri: 'https://keys.example.com/a' });
  expect(given.body).toMatchObject({ jwks_uri: 'https://keys.example.com/a', jwks_uri_source: 'given' });
  const kept = await portal.call('PATCH', `${PROVIDERS}/${id}`, { client_id: 'client_03' });
  expect(kept.body.jwks_uri).toBe('https://keys.example.com/a');
});

test.each([
  ['an unknown field', { colour: 'red' }, ''],
  ['no issuer', { issuers: [] }, 'issuers'],
  ['http', { issuers: ['http://api.workos.com/user_management/client_1'] }, 'issuers.0'],
  ['a slash at the end', { issuers: [`${ISSUER}/`] }, 'issuers.0'],
  ['the dashboard', { issuers: ['https://dashboard.workos.com/x'], client_id: 'client_1' }, 'issuers.0'],
  ['an API key', { issuers: ['sk_live_abcdef'] }, 'issuers.0'],
  ['a user in the URL', { issuers: ['https://me:secret@example.com'] }, 'issuers.0'],
  ['the generic issuer alone', { issuers: ['https://api.workos.com'] }, 'client_id'],
  ['none', { algorithms: ['none'] }, 'algorithms.0'],
  ['HMAC', { algorithms: ['HS256'] }, 'algorithms.0'],
  ['a client id as API key', { api_key: 'client_01TEST' }, 'api_key'],
  ['a policy that is none', { audience_policy: 'whatever' }, 'audience_policy'],
])('%s is refused, by the name of its field', async (_, more, field) => {
  const { status, body } = await portal.call('POST', PROVIDERS, workos(more));
  expect(status).toBe(400);
  expect(body.code).toBe('request_invalid');
  expect(body.errors.map((error: { field: string }) => error.field)).toContain(field);
  expect(JSON.stringify(body)).not.toMatch(/sk_live_abcdef|me:secret/);
});

test('the generic issuer is allowed with its client id: older environments mint it', async () => {
  const { body } = await portal.call(
    'POST',
    PROVIDERS,
    workos({ issuers: ['https://api.workos.com'], client_id: 'client_09' }),
  );
  expect(body).toMatchObject({
    issuers: ['https://api.workos.com'],
    jwks_uri: 'https://api.workos.com/sso/jwks/client_09',
  });
});

test('two providers with one issuer and the same keys are told of each other', async () => {
  const issuers = ['https://api.workos.com/user_management/client_TWICE'];
  const first = await create({ issuers });
  const { body } = await portal.call('POST', PROVIDERS, workos({ issuers }));
  expect(body.warnings).toMatchObject([{ code: 'issuer_and_keys_shared', message: expect.stringContaining(first) }]);
});

test('claim mappings are confirmed by whoever gives them, or says so; until then the services know that they are not', async () => {
  const guessed = { name: 'Auth0', kind: 'oidc', issuers: ['https://guessed.invalid/'], audience: ['api'] };
  const id = (await portal.call('POST', PROVIDERS, guessed)).body.id as string;
  const path = `${PROVIDERS}/${id}`;
  expect((await seen(id, 1)).claim_mappings_confirmed).toBe(false);
  const warned = ({ warnings }: { warnings: { code: string }[] }): boolean =>
    warnings.some(({ code }) => code === 'claim_mappings_unconfirmed');
  const { body: before } = await portal.call('GET', path);
  expect([before.claim_mappings_confirmed_at, warned(before)]).toEqual([null, true]);
  const { body: after } = await portal.call('PATCH', path, { confirm_claim_mappings: true });
  expect([after.claim_mappings_confirmed_at, warned(after)]).toEqual([expect.any(String), false]);
  expect((await seen(id, 2)).claim_mappings_confirmed).toBe(true);

  const given = (await portal.call('POST', PROVIDERS, { ...guessed, claim_mappings: {} })).body.id as string;
  expect((await seen(given, 1)).claim_mappings_confirmed).toBe(true);
  // WorkOS's own claims are no guess.
  expect((await seen(await create(), 1)).claim_mappings_confirmed).toBe(true);
  const later = await create({ claim_mappings: { organization_id: 'org_id' }, confirm_claim_mappings: false });
  expect((await seen(later, 1)).claim_mappings_confirmed).toBe(false);
});

test.each(['user_id', 'organization_id', 'session_id'])('a confirmed %s is changed only on purpose', async (claim) => {
  const id = await create({ confirm_claim_mappings: false });
  const path = `${PROVIDERS}/${id}`;
  const remap = { claim_mappings: { [claim]: 'tenant' } };
  const free = await portal.call('PATCH', path, { ...remap, confirm_claim_mappings: false });
  expect(free.body).toMatchObject({ ...remap, claim_mappings_confirmed_at: null });
  const given = { user_id: 'sub', organization_id: 'org_id', session_id: 'sid' };
  const confirmed = await portal.call('PATCH', path, { claim_mappings: given });
  expect(confirmed.body.claim_mappings_confirmed_at).not.toBeNull();

  const refused = await portal.call('PATCH', path, remap);
  expect(refused).toMatchObject({
    status: 409,
    body: {
      code: 'claim_mapping_locked',
      changes: [{ claim, from: given[claim as keyof typeof given], to: 'tenant' }],
    },
  });
  expect((await portal.call('PATCH', path, { name: 'Still changeable' })).status).toBe(200);

  const { body } = await portal.call('PATCH', path, { ...remap, confirm_remap: true });
  expect(body.claim_mappings[claim]).toBe('tenant');
  expect(body.version).toBe(confirmed.body.version + 2);
});

test('whom another mapping would affect is told before it is made', async () => {
  const id = await create({ claim_mappings: { organization_id: 'org_id' } });
  const publisher = new BatchPublisher(place.client);
  const signIn = (over: object) =>
    publisher.publish(TOPICS.signIns, {
      key: 'user',
      value: Buffer.from(
        JSON.stringify({
          specversion: '1.0',
          id: randomUUID(),
          source: '/token-verification',
          type: SIGN_IN_TYPE,
          datacontenttype: 'application/json',
          data: { provider_id: id, at: '2026-01-15T12:00:00.000Z', seen_by: 'token-verification', ...over },
        }),
      ),
    });
  const old = { session_id: 's1', organization_id: 'org_a', claims: ['sub', 'org_id'] };
  await signIn({ user_id: 'user_1', ...old });
  await signIn({ user_id: 'user_1', ...old, at: '2026-01-16T12:00:00.000Z', claims: ['sub', 'org_id', 'o', 'o.id'] });
  await signIn({ user_id: 'user_2', ...old, session_id: 's2' });
  await signIn({ user_id: 'user_3', organization_id: 'org_b' });
  await signIn({ user_id: 'user_4', ...old, provider_id: 'another provider' });
  await publisher.publish(TOPICS.signIns, { key: 'user', value: Buffer.from('{') });
  await publisher.close();

  const path = `${PROVIDERS}/${id}`;
  const claim_mappings = { organization_id: 'o.id' };
  const { status, body } = await portal.call('POST', `${path}/claim-mappings/preview`, { claim_mappings });
  expect(status).toBe(200);
  expect(body).toEqual({
    changes: [{ claim: 'organization_id', from: 'org_id', to: 'o.id', consequence: expect.stringContaining('none') }],
    needs_confirm_remap: true,
    complete: true,
    known_since: '2026-01-15T12:00:00.000Z',
    affected: { users: 3, organizations: 2, sessions: 2 },
    tokens: { with_claims: 1, without_claims: 1, unknown: 1 },
    examples: [
      { user_id: 'user_2', organization_id: 'org_a', last_seen_at: '2026-01-15T12:00:00.000Z', new_claims: 'missing' },
      { user_id: 'user_3', organization_id: 'org_b', last_seen_at: '2026-01-15T12:00:00.000Z', new_claims: 'unknown' },
      { user_id: 'user_1', organization_id: 'org_a', last_seen_at: '2026-01-16T12:00:00.000Z', new_claims: 'present' },
    ],
  });
  expect((await portal.call('GET', path)).body).toMatchObject({ version: 1 });

  const same = await portal.call('POST', `${path}/claim-mappings/preview`, { claim_mappings: {} });
  expect(same.body).toMatchObject({ changes: [], needs_confirm_remap: false, affected: { users: 0 } });
  const unknown = await portal.call('POST', `${PROVIDERS}/idp_none/claim-mappings/preview`, { claim_mappings });
  expect(unknown.body.code).toBe('provider_unknown');
});

test('what webhook-ingress tells of an endpoint is shown: last delivery, last refusal, last use of each secret', async () => {
  const id = await create();
  const path = `${PROVIDERS}/${id}/webhook`;
  const { body: enabled } = await portal.call('POST', path);
  const known = await eventually(
    async () => {
      const { body } = await portal.call('GET', path);
      return body.activity_known ? body : undefined;
    },
    { what: 'the activity is known' },
  );
  expect(known).toMatchObject({
    last_delivery_at: null,
    last_refused: null,
    secrets: [{ id: enabled.secret_id, last_used_at: null }],
  });

  const at = '2026-01-15T12:00:00.000Z';
  const refused = { at: '2026-01-15T12:00:01.000Z', code: 'signature_mismatch', source: '192.0.2.1' };
  const data = { provider_id: id, last_delivery_at: at, last_refused: refused, secrets: { [enabled.secret_id]: at } };
  const publisher = new BatchPublisher(place.client);
  const value = JSON.stringify({
    specversion: '1.0',
    id: 'activity',
    source: '/webhook-ingress',
    type: WEBHOOK_ACTIVITY_TYPE,
    datacontenttype: 'application/json',
    data,
  });
  await publisher.publish(TOPICS.webhookActivity, { key: id, value: Buffer.from(value) });
  await publisher.close();
  const shown = await eventually(
    async () => {
      const { body } = await portal.call('GET', path);
      return body.last_delivery_at === null ? undefined : body;
    },
    { what: 'it is shown' },
  );
  expect(shown).toMatchObject({
    last_delivery_at: at,
    last_refused: refused,
    secrets: [{ id: enabled.secret_id, last_used_at: at }],
  });
});

test('the webhook: a URL that nobody guesses, a secret shown once, sealed for the services', async () => {
  const id = await create({ api_key: 'sk_test_seeded_api_key' });
  const path = `${PROVIDERS}/${id}/webhook`;
  expect((await portal.call('GET', path)).body.code).toBe('webhook_not_enabled');
  expect((await portal.call('POST', `${path}/secrets`, { secret: 'whsec_before_enabled' })).body.code).toBe(
    'webhook_not_enabled',
  );

  const enabled = await portal.call('POST', path);
  expect(enabled.status).toBe(201);
  expect(enabled.body.url).toMatch(/^https:\/\/hooks\.example\.com\/webhooks\/workos\/[\w-]{43}$/);
  expect(enabled.body.secret).toMatch(/^whsec_[\w-]{43}$/);
  const token = (enabled.body.url as string).split('/').at(-1)!;

  const pasted = await portal.call('POST', `${path}/secrets`, { secret: '  whsec_0FWAiVGkEfGBqqsJH4aNAGBJ4\n' });
  expect(pasted).toMatchObject({ status: 201, body: { origin: 'pasted' } });

  const data = await seen(id, 3);
  expect(registry.byEndpointToken(token)?.id).toBe(id);
  expect(unseal(data.api_key!, apiKeyOwner(id), keys)).toBe('sk_test_seeded_api_key');
  expect(data.webhook!.secrets.map((s) => unseal(s.sealed, webhookSecretOwner(id, s.id), keys))).toEqual([
    enabled.body.secret,
    'whsec_0FWAiVGkEfGBqqsJH4aNAGBJ4',
  ]);

  const again = await portal.call('POST', `${path}/secrets`, { secret: 'whsec_0FWAiVGkEfGBqqsJH4aNAGBJ4' });
  expect(again).toMatchObject({ status: 200, body: { id: pasted.body.id } });
  expect((await portal.call('POST', `${path}/secrets`, { secret: 'whsec_the_next_one_of_a_rotation' })).status).toBe(
    201,
  );
  const third = await portal.call('POST', `${path}/secrets`, { secret: 'whsec_one_that_is_too_many' });
  expect(third).toMatchObject({ status: 409, body: { code: 'webhook_secrets_full' } });

  expect((await portal.call('DELETE', `${path}/secrets/${pasted.body.id}`)).status).toBe(204);
  expect((await portal.call('DELETE', `${path}/secrets/${pasted.body.id}`)).status).toBe(204);
  expect((await portal.call('DELETE', `${path}/secrets/whs_unknown`)).body.code).toBe('webhook_secret_unknown');
  const status = await portal.call('GET', path);
  expect(status.body).toMatchObject({ url: enabled.body.url, declared: false });
  expect(status.body.secrets.map((secret: { origin: string }) => secret.origin)).toEqual(['generated', 'pasted']);
  expect((await seen(id, 5)).webhook!.secrets.map(({ id }) => id)).not.toContain(pasted.body.id);

  const [retired] = await portal.app
    .get(Database)
    .source.query<{ sealed: string }[]>('select sealed from webhook_secrets where id = $1', [pasted.body.id]);
  expect(retired!.sealed).toBe('');

  const list = await portal.call('GET', PROVIDERS);
  const audit = await portal.call('GET', `/v1/audit?provider_id=${id}`);
  const everything = JSON.stringify([status.body, list.body, audit.body, pasted.body]) + portal.log();
  for (const secret of [enabled.body.secret as string, 'whsec_0FWAi', 'whsec_the_next', 'sk_test_seeded', KEY]) {
    expect(everything).not.toContain(secret);
  }
  expect(portal.log() + JSON.stringify(audit.body)).not.toContain(token);
});

test('enabled again, the URL stays, and the newest two generated secrets are live', async () => {
  const id = await create();
  const path = `${PROVIDERS}/${id}/webhook`;
  const answers = [];
  for (let round = 0; round < 3; round++) answers.push(await portal.call('POST', path));
  expect(answers.map(({ status }) => status)).toEqual([201, 200, 200]);
  expect(new Set(answers.map(({ body }) => body.url)).size).toBe(1);
  expect(new Set(answers.map(({ body }) => body.secret)).size).toBe(3);
  const { secrets } = (await portal.call('GET', path)).body;
  expect(secrets.map((secret: { id: string }) => secret.id)).toEqual(
    answers.slice(1).map(({ body }) => body.secret_id),
  );
});

test.each([
  ['', 'secret_blank'],
  ['   ', 'secret_blank'],
  ['sk_live_pasted_by_mistake', 'secret_is_api_key'],
  ['client_01HXYZ', 'secret_is_client_id'],
  ['https://hooks.example.com/webhooks/workos/abc', 'secret_is_url'],
  ['we_01EHZNVPK3SFK441A1RGBFSHRT', 'secret_is_id'],
  ['t=1700000000000, v1=0123', 'secret_is_signature'],
  ['whsec_••••••••••••••••', 'secret_is_masked'],
  ['whsec_one two three four', 'secret_malformed'],
  ['whsec_short', 'secret_too_short'],
  ['x'.repeat(513), 'secret_too_long'],
])('%j is no signing secret: %s', async (secret, code) => {
  const id = await create();
  await portal.call('POST', `${PROVIDERS}/${id}/webhook`);
  const { status, body } = await portal.call('POST', `${PROVIDERS}/${id}/webhook/secrets`, { secret });
  expect({ status, code: body.code }).toEqual({ status: 400, code });
  expect(body.detail.length).toBeGreaterThan(20);
  if (secret.length > 5) expect(JSON.stringify(body)).not.toContain(secret.trim());
});

test('deleting a provider takes its secrets out of the database', async () => {
  const id = await create({ api_key: 'sk_test_to_be_deleted' });
  await portal.call('POST', `${PROVIDERS}/${id}/webhook`);
  await portal.call('DELETE', `${PROVIDERS}/${id}`);
  const database = portal.app.get(Database);
  const rows: unknown[] = await database.source.query(
    `select api_key from identity_providers where id = $1 and api_key is not null
     union all select sealed from webhook_secrets where provider_id = $1
     union all select token from webhook_endpoints where provider_id = $1`,
    [id],
  );
  expect(rows).toEqual([]);
});

test('shadow mode: set before any event may have come, left once and for all', async () => {
  const id = await create({ mode: 'shadow', guard: { max_users: 20 } });
  await portal.call('POST', `${PROVIDERS}/${id}/webhook`);
  expect(await seen(id, 2)).toMatchObject({ mode: 'shadow', guard: { max_users: 20 } });
  expect((await portal.call('PATCH', `${PROVIDERS}/${id}`, { mode: 'enforced' })).body).toMatchObject({
    mode: 'enforced',
  });
  const back = await portal.call('PATCH', `${PROVIDERS}/${id}`, { mode: 'shadow' });
  expect(back).toMatchObject({ status: 409, body: { code: 'mode_locked' } });
  expect((await portal.call('GET', `${PROVIDERS}/${id}`)).body).toMatchObject({ mode: 'enforced', version: 3 });

  const fresh = await create();
  expect((await portal.call('PATCH', `${PROVIDERS}/${fresh}`, { mode: 'shadow' })).status).toBe(200);
});

test('who changed what is kept, and cannot be rewritten', async () => {
  const id = await create({ api_key: 'sk_test_of_the_audit' });
  await portal.call('PATCH', `${PROVIDERS}/${id}`, { name: 'After', api_key: null });
  const { body } = await portal.call('GET', `/v1/audit?provider_id=${id}&limit=1`);
  expect(body.data).toMatchObject([
    {
      actor: 'admin',
      action: 'provider_changed',
      version: 2,
      detail: { fields: { name: { from: 'WorkOS', to: 'After' } }, api_key: 'removed' },
    },
  ]);
  const next = await portal.call('GET', `/v1/audit?provider_id=${id}&limit=1&cursor=${body.next_cursor}`);
  expect(next.body).toMatchObject({ data: [{ action: 'provider_created', version: 1 }], next_cursor: null });

  const { source } = portal.app.get(Database);
  const admin = new pg.Client({ connectionString: place.database.url });
  await admin.connect();
  await admin.query('set search_path = portal');
  try {
    for (const tampering of [`update changes set actor = 'nobody'`, 'delete from changes', 'truncate changes']) {
      await expect(source.query(tampering)).rejects.toThrow('permission denied');
      await expect(admin.query(tampering)).rejects.toThrow('never rewritten');
    }
    await expect(source.query('alter table changes disable trigger all')).rejects.toThrow('must be owner');
    await expect(source.query('select * from grants.audit')).rejects.toThrow('permission denied');
  } finally {
    await admin.end();
  }
});

test('without an API key nothing is told', async () => {
  for (const path of [PROVIDERS, `${PROVIDERS}/idp_x/webhook`, '/v1/audit']) {
    expect((await portal.call('GET', path, undefined, 'wrong')).status).toBe(401);
  }
  expect((await fetch(`${portal.url}/openapi.json`)).status).toBe(200);
  expect(await (await fetch(`${portal.url}/metrics`)).text()).toContain('rescind_publication_backlog_changes');
});
