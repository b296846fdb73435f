import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { diagnose, type Facts, type ProviderFacts, type SourceFacts, type StreamFacts } from '../src/diagnose.js';
import { installationFrom } from '../src/installation.js';
import { HELP, rescind } from '../src/main.js';

let out: string[];
let err: string[];
beforeEach(() => {
  [out, err] = [[], []];
  jest.spyOn(console, 'log').mockImplementation((line) => void out.push(String(line)));
  jest.spyOn(console, 'error').mockImplementation((line) => void err.push(String(line)));
});
afterEach(() => jest.restoreAllMocks());

test('the help fits a screen of 80 by 24', () => {
  const lines = HELP.split('\n');
  expect(lines.length).toBeLessThanOrEqual(24);
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
});

describe('exit codes', () => {
  const nowhere = { RESCIND_GRANTS_URL: 'http://127.0.0.1:1', RESCIND_API_KEY: 'k' };

  test.each([
    ['help', ['--help'], 0, /^$/],
    ['nothing', [], 2, /^$/],
    ['an unknown command', ['revoek'], 2, /no command "revoek"/],
    ['a name that every object has', ['constructor'], 2, /no command/],
    ['an unknown option', ['users', '--colour'], 2, /--colour/],
    ['nobody to revoke', ['revoke', '--reason', 'left'], 2, /Whose access/],
    ['no reason to revoke', ['revoke', '--user', 'user_1'], 2, /--reason/],
    ['a word too many', ['users', 'Ada', 'Lovelace'], 2, /users takes one word/],
    ['a user without --user', ['revoke', 'user_1', '--reason', 'left'], 2, /revoke takes options alone/],
    ['a service that is not named', ['verify-token', 'x'], 2, /RESCIND_TOKEN_VERIFICATION_URL/],
    ['a service that does not answer', ['users'], 3, /does not answer/],
  ])('%s', async (_, args, code, says) => {
    expect(await rescind(args, nowhere)).toBe(code);
    expect(err.join('\n')).toMatch(says);
  });

  const answering = async (listener: RequestListener, work: (url: string) => Promise<void>): Promise<void> => {
    const server: Server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  };

  test('status names the providers whose tokens a verifier that is ready cannot check', async () => {
    const body = JSON.stringify({ status: 'ready', keys_missing: ['idp_a', 'idp_b'] });
    await answering(
      (_, response) => void response.end(body),
      async (url) => {
        await rescind(['status'], { RESCIND_TOKEN_VERIFICATION_URL: url, RESCIND_API_KEY: 'k' });
      },
    );
    expect(out.join('\n')).toMatch(/^ready +token-verification +no keys of idp_a, idp_b$/m);
  });

  test.each([
    [200, { active: true, user_id: 'user_1', provider_id: 'idp_1' }, 0],
    [200, { active: false, reason: 'user_deprovisioned' }, 1],
    [503, { code: 'view_stale' }, 3],
    [429, { code: 'rate_limited' }, 3],
    [401, { code: 'api_key_invalid' }, 2],
    [502, undefined, 3],
  ])('verify-token where the answer is %i %j', async (status, body, code) => {
    await answering(
      (_, response) => void response.writeHead(status).end(body ? JSON.stringify(body) : '<html>'),
      async (url) => {
        const env = { RESCIND_TOKEN_VERIFICATION_URL: url, RESCIND_API_KEY: 'k' };
        expect(await rescind(['verify-token', 'seeded-token', '--json'], env)).toBe(code);
        if (code < 2) expect(JSON.parse(out.join(''))).toEqual(body);
        expect([...out, ...err].join('\n')).not.toContain('seeded-token');
      },
    );
  });

  test('what the service finds wrong with which field is said', async () => {
    const answer = { code: 'request_invalid', detail: 'See errors.', errors: [{ field: 'limit', message: 'too big' }] };
    await answering(
      (_, response) => void response.writeHead(400).end(JSON.stringify(answer)),
      async (url) => {
        expect(await rescind(['users'], { RESCIND_GRANTS_URL: url, RESCIND_API_KEY: 'k' })).toBe(2);
        expect(err.join('\n')).toBe('grants: request_invalid. See errors.\n  limit: too big');
      },
    );
  });

  test('revoke changes nothing unless it is told to', async () => {
    const asked: { dry_run: boolean }[] = [];
    await answering(
      (request, response) => {
        let body = '';
        request.on('data', (chunk) => (body += chunk));
        request.on('end', () => {
          asked.push(JSON.parse(body) as { dry_run: boolean });
          response.end(JSON.stringify({ scope: 'idp/user:user_1', revoked_grants: 2 }));
        });
      },
      async (url) => {
        const args = ['revoke', '--user', 'user_1', '--reason', 'left'];
        const env = { RESCIND_GRANTS_URL: url, RESCIND_API_KEY: 'k' };
        expect(await rescind(args, env)).toBe(0);
        expect(out.join('\n')).toMatch(/Would end .*2 active grant.*Nothing was done/);
        expect(await rescind([...args, '--yes'], env)).toBe(0);
      },
    );
    expect(asked).toMatchObject([{ user_id: 'user_1', dry_run: true }, { dry_run: false }]);
  });
});

test('the key of the local stack is never sent to another installation', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'rescind-cli-'));
  await mkdir(join(dir, '.local'));
  const stack = { grants: 'http://127.0.0.1:3002', adminApiKey: 'local' };
  await writeFile(join(dir, '.local/stack.json'), JSON.stringify(stack));
  try {
    expect(installationFrom({}, dir)).toEqual({ urls: { grants: 'http://127.0.0.1:3002' }, apiKey: 'local' });
    expect(installationFrom({ RESCIND_GRANTS_URL: 'https://grants.example.com/' }, dir)).toEqual({
      urls: { grants: 'https://grants.example.com' },
      apiKey: undefined,
    });
  } finally {
    await rm(dir, { recursive: true });
  }
});

describe('doctor', () => {
  const DAY = 86_400_000;
  const NOW = Date.parse('2026-11-24T10:00:00.000Z');
  const provider = (over: Partial<ProviderFacts> = {}): ProviderFacts => ({
    id: 'idp_1',
    name: 'WorkOS',
    kind: 'workos',
    allowImpersonation: false,
    apiKeySet: true,
    published: true,
    warnings: [],
    keys: 1,
    webhook: {
      url: 'https://hooks.example.com/webhooks/workos/x',
      reached: '401 signature_missing',
      activityKnown: true,
      lastDeliveryAt: '2026-11-24T09:59:00.000Z',
      lastRefused: null,
      secrets: [{ id: 'whs_1', origin: 'pasted', lastUsedAt: '2026-11-24T09:59:00.000Z' }],
    },
    ...over,
  });
  const stream = (over: Partial<StreamFacts> = {}): StreamFacts => ({
    id: 'stream_1',
    audience: 'https://app.example.com',
    status: 'enabled',
    status_reason: null,
    failures: 0,
    last_error: null,
    pending: 0,
    refused: 0,
    ...over,
  });
  const source = (over: Partial<SourceFacts> = {}): SourceFacts => ({
    id: 'source_1',
    name: 'okta',
    poll: { polled_at: '2026-11-24T09:59:00.000Z', failures: 0, last_error: null },
    last_refusal: 'invalid_key: No key of the issuer has signed this.',
    refused_at: '2026-11-01T09:59:00.000Z',
    stream_status: null,
    stream_reason: null,
    unknown_subject_at: null,
    unknown_subject: null,
    ...over,
  });
  const connected = {
    stream_id: 'stream_1',
    unanswered_since: null as string | null,
    ask_error: null as string | null,
  };
  const sources = (over: Partial<SourceFacts>) => facts({ sources: [source(over)] });
  const streams = (over: Partial<StreamFacts>) => facts({ streams: [stream(over)] });
  const facts = (over: Partial<Facts> = {}): Facts => ({
    now: NOW,
    services: [{ name: 'grants', url: 'https://grants.example.com', ready: true, clockAheadMs: 300 }],
    keyAccepted: true,
    providers: [provider()],
    setAside: 0,
    guardTrips: 0,
    canary: { status: 'refused', last: { at: '2026-11-24T09:59:00.000Z', refused_ms: 40, problem: null } },
    streams: [stream()],
    sources: [source({ stream: connected })],
    ...over,
  });
  const failing = {
    status: 'failing' as const,
    last: { at: '2026-11-24T09:59:00.000Z', refused_ms: null, problem: 'within 30 s' },
  };
  const service = (over: object) => facts({ services: [{ ...facts().services[0]!, ...over }] });
  const with_ = (over: Partial<ProviderFacts>) => facts({ providers: [provider(over)] });
  const hook = (over: object) => with_({ webhook: { ...provider().webhook!, ...over } });
  const secret = (lastUsedAt: string | null) => ({ id: 'whs', origin: 'pasted', lastUsedAt });

  test('finds nothing where everything is right', () => {
    expect(diagnose(facts()).filter(({ level }) => level !== 'ok')).toEqual([]);
  });

  test('does not find fault with what it asked itself: whether the endpoint is there', () => {
    const asked = hook({ lastRefused: { at: '2026-11-24T09:59:30.000Z', code: 'signature_missing' } });
    expect(diagnose(asked).filter(({ level }) => level !== 'ok')).toEqual([]);
  });

  test.each<[string, Facts, string, RegExp]>([
    ['a service that is away', service({ unreachable: 'ECONNREFUSED' }), 'problem', /does not answer: ECONNREFUSED/],
    ['one whose URL is not set', service({ url: undefined }), 'unknown', /URL is not set/],
    ['what it waits for', service({ ready: false, missing: { kafka: 'no broker' } }), 'problem', /kafka: no broker/],
    ['a clock', service({ clockAheadMs: -9_000 }), 'problem', /9 s behind/],
    ['no keys', service({ keysMissing: ['idp_a'] }), 'problem', /no keys of idp_a/],
    ['no heartbeat', service({ viewAgeMs: null }), 'problem', /nobody is let in/],
    ['plain http', service({ url: 'http://grants.internal' }), 'warning', /plain http/],
    ['a wrong key', facts({ keyAccepted: false }), 'problem', /RESCIND_API_KEY/],
    ['no provider', facts({ providers: [] }), 'problem', /There is none/],
    ['providers that cannot be read', facts({ providers: undefined }), 'unknown', /could not be read/],
    ['a warning of the portal', with_({ warnings: [{ code: 'x', message: 'Look.' }] }), 'warning', /Look/],
    ['a change that waits', with_({ published: false }), 'problem', /not reached Kafka/],
    ['an empty key set', with_({ keys: 0 }), 'problem', /is empty/],
    ['a key set that is away', with_({ keys: 'ETIMEDOUT' }), 'problem', /ETIMEDOUT/],
    ['shadow mode', with_({ mode: 'shadow' }), 'warning', /shadow/],
    ['impersonation', with_({ allowImpersonation: true }), 'warning', /as another person/],
    ['no API key', with_({ apiKeySet: false }), 'warning', /Events API/],
    ['no webhook', with_({ webhook: undefined }), 'problem', /no webhook/],
    ['a URL that leads elsewhere', hook({ reached: '404 and not in our words' }), 'problem', /does not lead/],
    ['a URL that nobody answers', hook({ reached: 'ENOTFOUND' }), 'problem', /ENOTFOUND/],
    ['activity that is not known', hook({ activityKnown: false }), 'unknown', /not known yet/],
    ['no delivery ever', hook({ lastDeliveryAt: null }), 'warning', /No delivery/],
    ['none for long', hook({ lastDeliveryAt: '2026-11-01T00:00:00.000Z' }), 'warning', /still enabled/],
    [
      'a refusal after the last delivery',
      hook({ lastRefused: { at: '2026-11-24T09:59:30.000Z', code: 'signature_mismatch' } }),
      'problem',
      /paste the signing secret/,
    ],
    [
      'a rotation',
      hook({ secrets: [secret('2026-11-24T09:59:00.000Z'), secret(null)] }),
      'warning',
      /1 of them unused/,
    ],
    ['records set aside', facts({ setAside: 2 }), 'problem', /2 record/],
    ['a guard', facts({ guardTrips: 1 }), 'problem', /1 guard/],
    [
      'a dangerous topic',
      service({ topicProblems: ['workos.events: compacted'] }),
      'warning',
      /workos.events: compacted/,
    ],
    [
      'a certificate',
      service({ certificates: { 'kafka-ca': NOW + 20 * DAY } }),
      'warning',
      /kafka-ca ends at 2026-12-14/,
    ],
    [
      'one that ends at once',
      service({ certificates: { 'postgres-server': NOW + 2 * DAY } }),
      'problem',
      /postgres-server ends at/,
    ],
    ['no canary', facts({ canary: { status: 'not_configured', last: null } }), 'warning', /not configured/],
    ['a canary that was not refused', facts({ canary: failing }), 'problem', /not refused: within 30 s/],
    [
      'somebody who cannot be told',
      streams({ failures: 3, pending: 2, last_error: 'ECONNREFUSED' }),
      'problem',
      /ECONNREFUSED/,
    ],
    ['what a receiver refuses', streams({ refused: 1 }), 'problem', /refused 1/],
    [
      'a stream that is off',
      streams({ status: 'disabled', status_reason: 'by hand' }),
      'warning',
      /disabled \(by hand\)/,
    ],
    [
      'a source that cannot be polled',
      sources({ poll: { polled_at: null, failures: 2, last_error: 'it answered 401' } }),
      'problem',
      /2 tries have failed: it answered 401; it has never answered/,
    ],
    [
      'a source that says nothing',
      sources({ stream_status: 'paused', stream_reason: 'Licence' }),
      'warning',
      /paused \(Licence\)/,
    ],
    [
      'a source whose verification has not come',
      sources({ stream: { ...connected, unanswered_since: '2026-11-24T09:40:00.000Z' } }),
      'problem',
      /asked for a verification at 2026-11-24T09:40:00.000Z, and none has come since/,
    ],
    [
      'a source that cannot be asked for one',
      sources({ stream: { ...connected, ask_error: 'It refuses.' } }),
      'warning',
      /It refuses\./,
    ],
    [
      'a source whose stream was never finished',
      sources({ stream: { ...connected, stream_id: null } }),
      'problem',
      /never finished/,
    ],
    [
      'what a source says of nobody that is known',
      sources({ unknown_subject_at: '2026-11-23T09:59:00.000Z', unknown_subject: 'email' }),
      'warning',
      /cannot be told here \(email\)/,
    ],
    ['what was refused lately', sources({ refused_at: '2026-11-23T09:59:00.000Z' }), 'warning', /lost: invalid_key/],
  ])('finds %s', (_, given, level, says) => {
    expect(diagnose(given).filter((finding) => finding.level !== 'ok')).toEqual([
      expect.objectContaining({ level, says: expect.stringMatching(says) }),
    ]);
  });

  test('a refusal before the last delivery is over', () => {
    const over = { at: '2026-11-24T09:00:00.000Z', code: 'signature_mismatch' };
    expect(diagnose(hook({ lastRefused: over })).filter(({ level }) => level === 'problem')).toEqual([]);
  });
});
