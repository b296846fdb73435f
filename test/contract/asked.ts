import { createHash, createHmac, randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { Browser } from '../journey/browser.js';
import { type Client, untilAnswer, type Json, type Person } from '../journey/client.js';
import type { Asked } from './contract.js';

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** What has been made so that there is something to ask for. */
export interface World {
  client: Client;
  /** Somebody whose access is ended now and then, somebody whose is not, and somebody who was deleted. */
  person: Person;
  other: Person;
  deleted: Person;
  grantId: string;
  receiver: { id: string; key: string };
  /** A stream of that receiver that is polled. */
  streamId: string;
  /** Another identity provider, without an API key, whose events come to `webhook`. */
  providerId: string;
  webhook: { url: string; secret: string };
  ofPage: Record<string, string>;
  /** API keys for services: one may judge tokens, one make grants, and neither anything else. */
  weakKeys: string[];
  transmitter: Transmitter;
}

/** Makes it, and waits until every service knows of it. */
export async function makeWorld(client: Client): Promise<World> {
  const { stack } = client;
  const [person, other, deleted] = await Promise.all([client.person(), client.person(), client.person()]);
  const transmitter = await startTransmitter();
  const grant = await client.makeGrant({ user_id: person.userId });
  const receiver = (await client.api('signals', 'POST', '/v1/receivers', { name: 'contract' })).body;
  const stream = await send(`${stack.signals}/ssf/streams`, {}, bearer(String(receiver['key'])));
  const nobody = { kind: 'webhook', url: 'http://127.0.0.1:9/contract', description: 'nobody listens there' };
  await client.api('signals', 'POST', '/v1/streams', nobody);
  const { body: provider } = await client.api('portal', 'POST', '/v1/identity-providers', newProvider(client));
  const providerPath = `/v1/identity-providers/${String(provider['id'])}`;
  const webhook = (await client.api('portal', 'POST', `${providerPath}/webhook`)).body as unknown as World['webhook'];
  await client.api('portal', 'PATCH', providerPath, { guard: { max_users: 1, window_seconds: 3_600 } });
  const weakKeys = await Promise.all(
    ['verify', 'grants:write'].map(async (scope) => {
      const { body } = await client.api('portal', 'POST', '/v1/api-keys', {
        name: scope.replace(':', '-'),
        scopes: [scope],
      });
      return String(body['api_key']);
    }),
  );

  await client.workos('DELETE', `/user_management/users/${deleted.userId}`);
  // Two people of one id, at different providers.
  const twice = { id: 'event_twice', event: 'user.created', data: { id: TWICE }, created_at: now() };
  await untilAnswer(
    () => Promise.all([client.deliver(twice), client.deliver(twice, webhook)]),
    (answers) => answers.every((status) => status === 200),
  );
  // Taken for an event, and cannot read whom it is about.
  await client.deliver({ id: 'event_contract', event: 'user.deleted', data: { object: 'user' }, created_at: now() });
  const settled = async () => {
    const lists = ['/v1/events?type=user.deleted', '/v1/set-aside', '/v1/revocations'];
    const found = await Promise.all(lists.map((path) => client.api('grants', 'GET', path)));
    const told = await client.api('signals', 'GET', '/v1/deliveries');
    const seen = [...found, told].map(({ body }) => (body['data'] as unknown[]).length);
    const asked = [`${stack.grants}/v1/audit`, `${stack.tokenVerification}/v1/scopes`, `${stack.signals}/v1/streams`];
    const weak = await Promise.all(
      weakKeys.flatMap((key) => asked.map(async (url) => (await fetch(url, { headers: bearer(key) })).status)),
    );
    const unsaid = await client.api('grants', 'GET', `/v1/users/${TWICE}`);
    return { seen, weak, unsaid: unsaid.status };
  };
  await untilAnswer(settled, ({ seen, weak, unsaid }) => !seen.includes(0) && !weak.includes(401) && unsaid === 400);
  return {
    client,
    person,
    other,
    deleted,
    grantId: String(grant.body['id']),
    receiver: receiver as World['receiver'],
    streamId: String(stream['stream_id']),
    providerId: String(provider['id']),
    webhook,
    ofPage: await signInAtPage(client),
    weakKeys,
    transmitter,
  };
}

const TWICE = 'user_twice';
const now = (): string => new Date().toISOString();
const question = (who: object) => ({ ...who, resource: 'vault:contract', scope: 'read' });
const newProvider = ({ stack }: Client, over: object = {}) => ({
  name: 'Contract',
  kind: 'oidc',
  issuers: [`https://contract-${randomBytes(4).toString('hex')}.example.com`],
  jwks_uri: `${stack.sandbox}/sso/jwks/${stack.provider.clientId}`,
  audience: 'contract',
  confirm_claim_mappings: true,
  ...over,
});

async function send(url: string, body: object, headers: Record<string, string>): Promise<Json> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return (await answer.json()) as Json;
}

/** As an administrator's browser has signed in. */
async function signInAtPage({ stack }: Client): Promise<Record<string, string>> {
  const browser = new Browser(stack.portal);
  await browser.call('POST', '/auth/session', { api_key: stack.adminApiKey });
  browser.csrf = String((await browser.session()).body.csrf_token);
  return headersOf(browser);
}

const headersOf = (browser: Browser, csrf = browser.csrf): Record<string, string> => ({
  cookie: [...browser.cookies()].map(([name, value]) => `${name}=${value}`).join('; '),
  ...(csrf === undefined ? {} : { 'X-CSRF-Token': csrf }),
});

/** Somebody else: who sends SETs, and answers as an issuer of whatever kind the path says. */
interface Transmitter {
  issuer: string;
  server: Server;
  set(claims: object, audience: string): Promise<string>;
}

async function startTransmitter(): Promise<Transmitter> {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const keys = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256', use: 'sig' }] });
  const server = createServer(({ url = '', headers: { host } }, response) => {
    const [kind] = Object.keys(ISSUERS).filter((one) => url.startsWith(`/${one}/`));
    const { status = 200, type = 'application/json', body = keys } = kind ? ISSUERS[kind]!(`http://${host}`) : {};
    response.writeHead(status, { 'content-type': type, location: '/' }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const set = (claims: object, audience: string): Promise<string> =>
    new SignJWT({ jti: randomBytes(8).toString('hex'), ...claims })
      .setProtectedHeader({ alg: 'ES256', typ: 'secevent+jwt', kid: 'k' })
      .setIssuer(issuer)
      .setAudience(audience)
      .setIssuedAt()
      .sign(privateKey);
  return { issuer, server, set };
}

interface Said {
  status?: number;
  type?: string;
  body?: string;
}
const discovery = (issuer: string, jwks_uri: string): Said => ({
  body: JSON.stringify({ issuer, jwks_uri, id_token_signing_alg_values_supported: ['RS256'] }),
});
/** What stands where a discovery document should be, by the path of the issuer. */
const ISSUERS: Record<string, (base: string) => Said> = {
  failing: () => ({ status: 500 }),
  missing: () => ({ status: 404 }),
  moved: () => ({ status: 302 }),
  page: () => ({ type: 'text/html', body: '<html>' }),
  text: () => ({ type: 'text/plain', body: 'hello' }),
  odd: () => ({ body: '{}' }),
  large: () => ({ body: JSON.stringify('x'.repeat(4_000_000)) }),
  other: (base) => discovery(`${base}/another`, `${base}/jwks`),
  keyless: (base) => discovery(`${base}/keyless`, `${base}/empty/jwks`),
  empty: () => ({ body: '{"keys":[]}' }),
  mute: (base) => discovery(`${base}/mute`, `${base}/odd/jwks`),
  open: (base) => discovery(`${base}/open`, 'http://8.8.8.8/jwks'),
};

type OfService = Record<string, () => Asked[] | Promise<Asked[]>>;
const bodies = (...given: unknown[]): Asked[] => given.map((body) => ({ body }));

/** What the operations of grants are asked for certain. */
export function askedOfGrants({ client, person, deleted, providerId, webhook, grantId }: World): OfService {
  const provider_id = client.stack.provider.id;
  const who = { provider_id, user_id: person.userId };
  const gone = { provider_id, user_id: deleted.userId };
  const grant = { ...who, resource: 'vault:contract', scopes: ['read'] };
  const unsaid = { user_id: 'user_of_nobody' };
  const made = async (): Promise<Asked> => ({
    parameters: { id: String((await client.makeGrant(who)).body['id']) },
    body: { reason: 'contract' },
  });
  const newest = async (path: string, name = 'id'): Promise<string> => {
    const { body } = await client.api('grants', 'GET', path);
    return String((body['data'] as Json[])[0]?.[name]);
  };
  const key = { 'Idempotency-Key': 'contract-0001' };
  /** A mass deprovisioning that waits for somebody. */
  const trip = async (): Promise<string> => {
    const paused = `/v1/guard-trips?status=paused&provider_id=${providerId}`;
    const found = await untilAnswer(
      async () => {
        const { body } = await client.api('grants', 'GET', paused);
        const [first] = body['data'] as Json[];
        if (first) return first;
        for (const [nth, id] of Array.from({ length: 3 }, () => randomBytes(6).toString('hex')).entries()) {
          const data = { user_id: `user_${id}`, organization_id: 'org_contract', status: 'inactive' };
          const event = 'organization_membership.updated';
          await client.deliver(
            { id: `event_${id}_${nth}`, event, data: { id: `om_${id}`, ...data }, created_at: now() },
            webhook,
          );
        }
        return undefined;
      },
      (one) => one !== undefined,
    );
    return String(found!['id']);
  };
  const decided = async (id: string, decision: 'confirm' | 'undo'): Promise<string> => {
    await client.api('grants', 'POST', `/v1/guard-trips/${id}/${decision}`, { note: 'contract' });
    return id;
  };
  const decide = (...ids: string[]): Asked[] => ids.map((id) => ({ parameters: { id }, body: { note: 'contract' } }));
  return {
    createGrant: () => [
      { body: grant },
      { body: { ...grant, provider_id: 'idp_of_nobody' } },
      { body: { ...unsaid, resource: 'vault:contract', scopes: ['read'] } },
      { body: { ...grant, ...gone } },
      { body: grant, parameters: key },
      { body: { ...grant, resource: 'vault:other' }, parameters: key },
    ],
    getGrant: () => [{ parameters: { id: grantId } }],
    revokeGrant: async () => [await made()],
    checkAccess: () => bodies(question(who), question(unsaid)),
    revokeScope: () =>
      bodies({ ...who, organization_id: person.organizationId, reason: 'contract' }, { ...unsaid, reason: 'contract' }),
    reinstateScope: () =>
      bodies(
        { ...who, organization_id: person.organizationId, reason: 'contract' },
        { ...unsaid, reason: 'contract' },
        { ...gone, reason: 'contract' },
      ),
    getEvent: async () => [{ parameters: { id: await newest('/v1/events') } }],
    getUser: () => [{ parameters: { id: person.userId } }, { parameters: { id: TWICE } }],
    getReceiptFacts: () => [{ parameters: { id: deleted.userId } }, { parameters: { id: TWICE } }],
    redriveOne: async () => [{ parameters: { id: await newest('/v1/set-aside') } }],
    redriveAll: () => bodies({ reason: 'event_malformed' }),
    confirmGuardTrip: async () => {
      const undone = await decided(await trip(), 'undo');
      return decide(await trip(), undone);
    },
    undoGuardTrip: async () => {
      const confirmed = await decided(await trip(), 'confirm');
      return decide(await trip(), confirmed);
    },
    reconcile: () =>
      bodies({ provider_id, dry_run: true }, { provider_id: 'idp_of_nobody' }, { provider_id: providerId }),
    getReconciliation: async () => [{ parameters: { id: await newest('/v1/reconciliations') } }],
    listDifferences: async () => [{ parameters: { id: await newest('/v1/reconciliations') } }],
    cancelReconciliation: async () => [{ parameters: { id: await newest('/v1/reconciliations') } }],
  };
}

export function askedOfVerification({ client, other: person }: World): OfService {
  const { clientId, clientSecret } = client.stack.introspection;
  const basic = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`;
  return {
    verifyToken: () => bodies({ token: person.token }),
    getScope: () => [{ parameters: { scope: `idp_1/user:${person.userId}` } }],
    introspectToken: () => [
      { body: { token: person.token } },
      {
        body: { token: person.token },
        headers: { authorization: basic, accept: 'application/token-introspection+jwt' },
      },
    ],
    forwardAuth: () => [{ headers: bearer(person.token) }, { headers: bearer('eyJ.a.b') }],
  };
}

export function askedOfIngress({ client }: World): OfService {
  const token = client.stack.webhook.url.split('/').at(-1)!;
  const event = { id: 'event_contract_2', event: 'user.created', data: { id: 'user_contract' }, created_at: now() };
  const signedAs = (signature: string): Asked => ({
    parameters: { token },
    body: event,
    headers: { 'WorkOS-Signature': signature },
  });
  const stale = Date.now() - 3_600_000;
  const digest = createHmac('sha256', client.stack.webhook.secret).update(`${stale}.${JSON.stringify(event)}`);
  return {
    receiveWebhook: () => [
      { parameters: { token }, body: event },
      { parameters: { token }, body: 7 },
      signedAs('v1=0'),
      signedAs(`t=${Date.now()}, v1=${'0'.repeat(64)}`),
      signedAs(`t=${stale}, v1=${digest.digest('hex')}`),
    ],
  };
}

export function askedOfSignals(world: World): OfService {
  const { client, receiver, streamId, transmitter, person } = world;
  const { signals, provider } = client.stack;
  const key = bearer(receiver.key);
  const newStream = async (): Promise<string> => String((await send(`${signals}/ssf/streams`, {}, key))['stream_id']);
  const made = async (path: string, body: object): Promise<Json> =>
    (await client.api('signals', 'POST', path, body)).body;
  const idOf = async (path: string, body: object): Promise<Asked> => ({
    parameters: { id: String((await made(path, body))['id']) },
  });
  const ofStream = (body: object, id = streamId): Asked => ({ body: { stream_id: id, ...body } });
  const subject = { format: 'iss_sub', iss: provider.issuer, sub: person.userId };
  const ofSubject = [ofStream({ subject }), ofStream({ subject: { format: 'opaque', id: 'x' } })];
  const webhook = { kind: 'webhook', url: 'http://127.0.0.1:9/contract' };
  const source = (name: string) => ({ name, issuer: transmitter.issuer, provider_id: provider.id });
  const shown = { authorization_header: `Bearer ${receiver.key}` };
  /** The installation is its own transmitter. */
  const ours = (name: string) => ({ ...source(name), issuer: signals, stream: { method: 'poll', ...shown } });
  const poll = { endpoint_url: 'http://127.0.0.1:9/contract', authorization_header: 'Bearer contract' };
  const others = async (scope: string) => {
    const body = new URLSearchParams({ grant_type: 'client_credentials', scope });
    const basic = Buffer.from(`${receiver.id}:${receiver.key}`).toString('base64');
    const headers = { authorization: `Basic ${basic}` };
    const answer = await fetch(`${signals}/oauth2/token`, { method: 'POST', headers, body });
    return bearer(String(((await answer.json()) as Json)['access_token']));
  };
  /** The least that a token may be for; what it may not is told. */
  const readOnly = async (asked: Asked): Promise<Asked> => ({ ...asked, headers: await others('ssf.read') });
  const change = async (): Promise<Asked[]> => [
    ofStream({ description: 'contract' }),
    ofStream({ iss: 'https://other.example.com' }),
    ofStream({}, 'stream_of_nobody'),
    await readOnly(ofStream({})),
  ];
  const delivery = async (): Promise<Asked[]> => {
    const { body } = await client.api('signals', 'GET', '/v1/deliveries');
    return [{ parameters: { id: String((body['data'] as Json[])[0]?.['id']) } }];
  };
  const disabled = async (): Promise<Asked> => {
    const id = await newStream();
    await send(`${signals}/ssf/status`, { stream_id: id, status: 'disabled' }, key);
    return ofStream({}, id);
  };
  return {
    getToken: () => bodies({ grant_type: 'client_credentials' }, { grant_type: 'password' }),
    createStream: async () => [{ body: {} }, await readOnly({ body: {} })],
    readStreams: () => [{ parameters: { stream_id: streamId } }, { parameters: { stream_id: 'stream_of_nobody' } }],
    updateStream: change,
    replaceStream: change,
    deleteStream: async () => [
      { parameters: { stream_id: await newStream() } },
      { parameters: { stream_id: 'stream_of_nobody' } },
      await readOnly({ parameters: { stream_id: streamId } }),
    ],
    readStatus: () => [{ parameters: { stream_id: streamId } }, { parameters: { stream_id: 'stream_of_nobody' } }],
    updateStatus: async () => [
      ofStream({ status: 'enabled' }),
      ofStream({ status: 'enabled' }, 'stream_of_nobody'),
      await readOnly(ofStream({ status: 'enabled' })),
    ],
    addSubject: async () => [...ofSubject, ofStream({ subject }, 'stream_of_nobody'), await readOnly(ofSubject[0]!)],
    removeSubject: async () => [...ofSubject, ofStream({ subject }, 'stream_of_nobody'), await readOnly(ofSubject[0]!)],
    verifyStream: async () => [
      ofStream({}),
      ofStream({}),
      ofStream({}, 'stream_of_nobody'),
      await disabled(),
      await readOnly(ofStream({})),
    ],
    poll: () => [{ parameters: { stream_id: streamId }, body: { returnImmediately: true } }],
    createReceiver: () => bodies({ name: 'contract 2' }, { name: 'contract' }),
    revokeReceiver: async () => [await idOf('/v1/receivers', { name: 'contract 3' })],
    createOwnStream: () =>
      bodies(
        webhook,
        { ...webhook, kind: 'backchannel_logout', audience: 'client_contract' },
        { ...webhook, kind: 'token_revocation', authorization_header: 'Bearer contract' },
      ),
    updateOwnStream: async () => [{ ...(await idOf('/v1/streams', webhook)), body: { status: 'paused' } }],
    deleteOwnStream: async () => [await idOf('/v1/streams', webhook)],
    createSource: () =>
      bodies(
        source('contract 1'),
        source('contract 1'),
        { ...source('contract 2'), provider_id: 'idp_of_nobody' },
        { ...source('contract 7'), poll },
        ours('contract 8'),
      ),
    discoverSource: () => bodies({ issuer: signals }, { issuer: transmitter.issuer }),
    verifySource: async () => [
      await idOf('/v1/sources', ours('contract 9')),
      await idOf('/v1/sources', source('contract 10')),
    ],
    readSourceStream: async () => [
      await idOf('/v1/sources', ours('contract 11')),
      await idOf('/v1/sources', source('contract 12')),
    ],
    updateSource: async () => {
      const polled = await idOf('/v1/sources', { ...source('contract 5'), audience: 'contract', poll });
      const pushing = await idOf('/v1/sources', source('contract 6'));
      const connected = await idOf('/v1/sources', ours('contract 13'));
      return [
        { ...polled, body: { audience: 'another' } },
        { ...polled, body: { poll: { ...poll, authorization_header: '' } } },
        { ...pushing, body: { poll } },
        { ...pushing, body: { authorization: shown } },
        { ...connected, body: { authorization: shown } },
        { ...connected, body: { audience: 'another' } },
      ];
    },
    deleteSource: async () => {
      const left = await idOf('/v1/sources', ours('contract 14'));
      const authorization = { authorization_header: 'Bearer of nobody' };
      await client.api('signals', 'PATCH', `/v1/sources/${String(left.parameters!['id'])}`, { authorization });
      return [await idOf('/v1/sources', source('contract 3')), left];
    },
    pushSet: async () => {
      const pushed = await made('/v1/sources', {
        ...source('contract 4'),
        jwks_uri: `${transmitter.issuer}/jwks`,
        audience: 'contract',
      });
      const parameters = { id: String(pushed['id']) };
      const headers = bearer(String(pushed['push_token']));
      const events = { 'https://schemas.openid.net/secevent/caep/event-type/session-revoked': {} };
      const body = await transmitter.set({ events, sub_id: subject }, 'contract');
      return [
        { parameters, headers, body },
        { parameters, headers, body: 'eyJ.a.b' },
      ];
    },
    readDelivery: delivery,
    redeliver: delivery,
  };
}

/** Pasted where an issuer should be: each mistake that the text alone shows. */
const NO_ISSUERS = [
  '',
  'sk_live_abcdefghij',
  'whsec_0FWAiVGkEfGBqqsJH4aNAGBJ4',
  'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1In0.c2ln',
  'conn_01ABC',
  'org_01ABC',
  'https://dashboard.workos.com/environment_1/api-keys',
  'https://workos.com/docs',
  'https://api.workos.com/user_management',
  'https://api.workos.com/user_management/acme',
  'http://auth.acme.com/',
  'https://me:pw@auth.acme.com',
  'https://auth.acme.com/a?b=c',
  'our workos issuer',
  'https://login.microsoftonline.com/common/v2.0',
  'http://8.8.8.8',
  'https://169.254.169.254',
  'http://127.0.0.1:9',
];
/** Pasted where a signing secret should be. */
const NO_SECRETS = [
  '',
  'sk_test_1234567890',
  'client_01ABC',
  'we_01ABC',
  '••••••••••••••••••••',
  't=1700000000000, v1=abcdef',
  'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1In0.c2ln',
  'https://api.workos.com',
  'two words of a secret',
  'x'.repeat(600),
  'short',
];

export function askedOfPortal({ client, other: person, deleted, weakKeys, transmitter }: World): OfService {
  const { stack } = client;
  const { id: provider, clientId, apiKey, issuer } = stack.provider;
  const PROVIDERS = '/v1/identity-providers';
  const api = async (method: string, path: string, body?: object): Promise<Json> =>
    (await client.api('portal', method, path, body)).body;
  const ownProvider = async (over?: object): Promise<string> =>
    String((await api('POST', PROVIDERS, newProvider(client, over)))['id']);
  const withWebhook = async (): Promise<{ id: string; secretId: string }> => {
    const id = await ownProvider();
    await api('POST', `${PROVIDERS}/${id}/webhook`);
    const { secrets } = (await api('GET', `${PROVIDERS}/${id}/webhook`)) as { secrets: { id: string }[] };
    return { id, secretId: secrets[0]!.id };
  };
  const signedIn = async ({ email }: Pick<Person, 'email'> = person): Promise<Browser> => {
    const browser = new Browser(stack.portal);
    await browser.signIn(provider, email);
    return browser;
  };
  /** A browser that has set out to sign in, and where AuthKit sends it back to. */
  const underWay = async (begin: (browser: Browser) => Promise<string>): Promise<Asked> => {
    const browser = new Browser(stack.portal);
    const back = new URL(await browser.atAuthKit(await begin(browser), person.email));
    return { parameters: { provider, ...Object.fromEntries(back.searchParams) }, headers: headersOf(browser) };
  };
  const toThePage = () =>
    underWay(async (browser) => (await browser.call('GET', `/auth/${provider}/login`)).headers.get('location')!);
  const refusedBy = ({ parameters: { code: _, ...rest } = {}, headers }: Asked): Asked => ({
    parameters: { ...rest, error: 'access_denied' },
    headers: headers!,
  });
  const wrongCode = ({ parameters, headers }: Asked): Asked => ({
    parameters: { ...parameters, code: 'wrong' },
    headers: headers!,
  });
  const anyState = (asked: Asked): Asked => ({ ...asked, parameters: { ...asked.parameters, state: 'other' } });

  const ofTool = () => {
    const verifier = randomBytes(32).toString('base64url');
    return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
  };
  const tool = (challenge: string) => ({
    code_challenge: challenge,
    code_challenge_method: 'S256',
    client_name: 'contract',
  });
  /** A tool that waits for somebody: what it asks with, and the code that a person compares. */
  const waiting = async (
    at = provider,
  ): Promise<{ userCode: string; body: { device_code: string; code_verifier: string } }> => {
    const { verifier, challenge } = ofTool();
    const begun = await send(`${stack.portal}/auth/${at}/device/authorize`, tool(challenge), {});
    const body = { device_code: String(begun['device_code']), code_verifier: verifier };
    return { userCode: String(begun['user_code']), body };
  };
  const confirmed = (userCode: string) => async (browser: Browser) => {
    const path = `/auth/${provider}/device?user_code=${userCode}`;
    const answer = await browser.call('POST', path, undefined, { 'sec-fetch-site': 'same-origin' });
    return answer.headers.get('location')!;
  };
  const toTheTool = async (): Promise<Asked> => underWay(confirmed((await waiting()).userCode));
  const finish = async ({ parameters = {}, headers }: Asked): Promise<void> => {
    const { provider: _, ...query } = parameters;
    const url = `${stack.portal}/auth/${provider}/device/callback?${new URLSearchParams(query as Record<string, string>)}`;
    await (await fetch(url, { headers: headers!, redirect: 'manual' })).body?.cancel();
  };
  /** At a provider whose API key is taken away while somebody signs in. */
  const goneMeanwhile = async (begin: (own: string) => Promise<Asked>): Promise<Asked> => {
    const own = await ownProvider({
      kind: 'workos',
      client_id: clientId,
      api_key: apiKey,
      api_base_url: stack.sandbox,
    });
    const asked = await begin(own);
    await api('PATCH', `${PROVIDERS}/${own}`, { api_key: null });
    return asked;
  };
  const refreshTokenOf = async ({ email, password }: Person): Promise<string> => {
    const tokens = await client.workos('POST', '/user_management/authenticate', {
      client_id: clientId,
      client_secret: apiKey,
      grant_type: 'password',
      email,
      password,
    });
    return String(tokens['refresh_token']);
  };
  const parameters = { provider };
  const samePage = { 'sec-fetch-site': 'same-origin' };
  const role = { role: 'auditor', provider_id: provider, kind: 'email', value: 'nobody@example.com' };
  const noSession = { cookie: 'rescind_session=of_nobody' };

  return {
    discoverIssuer: () =>
      [
        issuer,
        `${issuer.slice(0, issuer.lastIndexOf('/'))}/client_01NOBODY`,
        ...NO_ISSUERS,
        ...Object.keys(ISSUERS).map((kind) => `${transmitter.issuer}/${kind}`),
        `https://${new URL(transmitter.issuer).host}`,
      ].map((pasted) => ({ body: { issuer: pasted } })),
    createIdentityProvider: () => bodies(newProvider(client)),
    getIdentityProvider: () => [{ parameters: { id: provider } }],
    changeIdentityProvider: async () => {
      const id = await ownProvider();
      return [{ name: 'Renamed' }, { claim_mappings: { organization_id: 'team' } }, { mode: 'shadow' }].map((body) => ({
        parameters: { id },
        body,
      }));
    },
    deleteIdentityProvider: async () => [{ parameters: { id: await ownProvider() } }],
    previewClaimMappings: async () => [
      { parameters: { id: provider }, body: { claim_mappings: { organization_id: 'team' } } },
    ],
    enableWebhook: async () => {
      const id = await ownProvider();
      return [{ parameters: { id } }, { parameters: { id } }];
    },
    getWebhook: async () => [{ parameters: { id: provider } }, { parameters: { id: await ownProvider() } }],
    pasteWebhookSecret: async () => {
      const { id } = await withWebhook();
      const secrets = ['first', 'first', 'second', 'third'].map((nth) => `a_signing_secret_that_is_the_${nth}`);
      return [
        ...[...secrets, ...NO_SECRETS].map((secret) => ({ parameters: { id }, body: { secret } })),
        { parameters: { id: await ownProvider() }, body: { secret: secrets[0] } },
      ];
    },
    retireWebhookSecret: async () => {
      const { id, secretId } = await withWebhook();
      return [{ parameters: { id, secretId } }, { parameters: { id, secretId: 'sec_of_nobody' } }];
    },
    signIn: () => [
      { body: { api_key: stack.adminApiKey } },
      { body: { api_key: 'of nobody' } },
      { body: { api_key: weakKeys[0] } },
      { body: { api_key: stack.adminApiKey }, headers: { 'sec-fetch-site': 'cross-site' } },
    ],
    getSession: () => [{}, { headers: noSession }],
    signOut: async () => {
      const headers = await signInAtPage(client);
      const { 'X-CSRF-Token': _, ...withoutToken } = headers;
      return [{ headers: withoutToken }, { headers }, { headers }];
    },
    createApiKey: () => bodies({ name: 'contract', scopes: ['auditor'] }, { name: 'contract', scopes: ['auditor'] }),
    revokeApiKey: async () => [
      { parameters: { id: String((await api('POST', '/v1/api-keys', { name: 'other', scopes: ['verify'] }))['id']) } },
    ],
    assignRole: () => bodies(role, role, { ...role, provider_id: 'idp_of_nobody' }),
    withdrawRole: async () => [
      {
        parameters: {
          id: String((await api('POST', '/v1/role-assignments', { ...role, value: 'a@example.com' }))['id']),
        },
      },
    ],
    getMyAccess: async () => [{ headers: headersOf(await signedIn()) }, {}, { headers: noSession }],
    revokeMyGrant: async () => {
      const browser = await signedIn();
      const headers = headersOf(browser);
      const { body } = await client.makeGrant({ user_id: person.userId });
      const own = { parameters: { id: String(body['id']) }, body: {} };
      return [
        { ...own, headers },
        { parameters: { id: 'grant_of_nobody' }, body: {}, headers },
        { ...own, headers: { cookie: headers['cookie']! } },
        own,
        { ...own, headers: noSession },
      ];
    },
    revokeMySession: async () => {
      const headers = headersOf(await signedIn());
      const other = { parameters: { id: (await client.signIn(person)).sessionId }, body: {} };
      await untilAnswer(
        () => client.api('grants', 'GET', `/v1/users/${person.userId}?provider_id=${provider}`),
        ({ body }) => (body['sessions'] as Json[]).some(({ id }) => id === other.parameters.id),
      );
      return [
        { ...other, headers },
        { parameters: { id: 'session_of_nobody' }, body: {}, headers },
        { ...other, headers: { cookie: headers['cookie']! } },
        other,
        { ...other, headers: noSession },
      ];
    },
    beginSignIn: () => [
      { parameters },
      { parameters: { provider, return_to: 'https://elsewhere.example.com' } },
      { parameters: { provider: 'idp_of_nobody' } },
    ],
    finishSignIn: async () => [
      await goneMeanwhile(async (own) => {
        const browser = new Browser(stack.portal);
        const begun = await browser.call('GET', `/auth/${own}/login`);
        const state = new URL(begun.headers.get('location')!).searchParams.get('state')!;
        return { parameters: { provider: own, state, code: 'any' }, headers: headersOf(browser) };
      }),
      await toThePage(),
      anyState(await toThePage()),
      wrongCode(await toThePage()),
      refusedBy(await toThePage()),
    ],
    showDeviceSignIn: async () => [
      { parameters: { provider, user_code: (await waiting()).userCode } },
      { parameters: { provider, user_code: 'BCDF-GHJK' } },
      { parameters: { provider: 'idp_of_nobody' } },
    ],
    confirmDeviceSignIn: async () => [
      await goneMeanwhile(async (own) => ({
        parameters: { provider: own, user_code: (await waiting(own)).userCode },
        headers: samePage,
      })),
      { parameters: { provider, user_code: (await waiting()).userCode }, headers: samePage },
      { parameters: { provider, user_code: (await waiting()).userCode } },
      { parameters: { provider, user_code: 'BCDF-GHJK' }, headers: samePage },
    ],
    finishDeviceSignIn: async () => {
      const first = await waiting();
      const [once, again] = [await underWay(confirmed(first.userCode)), await underWay(confirmed(first.userCode))];
      return [once, again, anyState(await toTheTool()), wrongCode(await toTheTool()), refusedBy(await toTheTool())];
    },
    authorizeDevice: () => [
      { parameters, body: tool(ofTool().challenge) },
      { parameters: { provider: 'idp_of_nobody' }, body: tool(ofTool().challenge) },
    ],
    collectDeviceSignIn: async () => {
      const [given, refused, early] = [await waiting(), await waiting(), await waiting()];
      await finish(await underWay(confirmed(given.userCode)));
      await finish(refusedBy(await underWay(confirmed(refused.userCode))));
      const other = { ...given.body, code_verifier: ofTool().verifier };
      return [early.body, early.body, other, given.body, given.body, refused.body].map((body) => ({
        parameters,
        body,
      }));
    },
    refreshDevice: async () => {
      // Shut out by hand, of which WorkOS knows nothing.
      const out = await client.person();
      await client.api('grants', 'POST', '/v1/revocations', {
        provider_id: provider,
        user_id: out.userId,
        reason: 'contract',
      });
      await untilAnswer(
        () => client.verdict(out.token),
        (verdict) => verdict !== 'active',
      );
      return [
        { parameters, body: { refresh_token: await refreshTokenOf(person) } },
        { parameters, body: { refresh_token: await refreshTokenOf(out) } },
        { parameters, body: { refresh_token: 'of nobody' } },
        { parameters: { provider: 'idp_of_nobody' }, body: { refresh_token: 'of nobody' } },
      ];
    },
    healthOfServices: () => [{}, { headers: noSession }],
    followFeed: () => [{}, { headers: noSession }],
    getReceipt: () => [
      { parameters: { id: TWICE } },
      { parameters: { id: deleted.userId, provider_id: provider } },
      { parameters: { id: deleted.userId } },
    ],
  };
}
