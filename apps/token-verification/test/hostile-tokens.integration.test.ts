import { hostileTokens, other, ours } from './hostile-tokens.js';
import { providerOf } from './issuer.js';
import { RunningService } from './running-service.js';

const CLIENT = { authorization: `Basic ${Buffer.from('gateway:s3cret').toString('base64')}` };
let service: RunningService;

beforeAll(async () => {
  service = await RunningService.start({
    keys: { ours: [ours.jwk], other: [other.jwk] },
    providers: (keysUrl) => [
      providerOf(ours, { jwks_uri: `${keysUrl}/ours` }),
      providerOf(other, { jwks_uri: `${keysUrl}/other` }),
    ],
    env: { RESCIND_INTROSPECTION_CLIENTS: 'gateway:s3cret', MAX_STALENESS_MS: '10000' },
  });
  service.startBeating();
  await service.becomes(hostileTokens(Date.now()).good, { active: true });
});
afterAll(() => service?.close());

/** The same table as in hostile-tokens.unit.test.ts, now through the three routes: none gets in, and none is our fault. */
test('none of the hostile tokens is active over HTTP, and none is a 500', async () => {
  const { VECTORS } = hostileTokens(Date.now());
  const wrong: unknown[] = [];
  const is = (name: string, route: string, got: unknown, expected: unknown): void => {
    if (JSON.stringify(got) !== JSON.stringify(expected)) wrong.push([name, route, got, expected]);
  };
  for (const [name, hostile, reason] of VECTORS) {
    const { as_of: _, ...verified } = await service.answerOf(hostile);
    // The body of a request may be a mebibyte; a token that fills it alone does not fit.
    is(
      name,
      'verify',
      verified,
      hostile.length > 1_000_000 ? { ...verified, status: 413 } : { status: 200, active: false, reason },
    );
    const body = new URLSearchParams({ token: hostile });
    const introspected = await fetch(`${service.url}/oauth2/introspect`, { method: 'POST', headers: CLIENT, body });
    const { error, ...rest } = (await introspected.json()) as { error?: string };
    if (hostile === '') is(name, 'introspect', [introspected.status, error], [400, 'invalid_request']);
    else if (introspected.status !== 413) is(name, 'introspect', [introspected.status, rest], [200, { active: false }]);
    if (!/^[\x21-\x7e]+$/.test(hostile)) continue; // no header can carry it
    const forwarded = await fetch(`${service.url}/v1/forward-auth`, {
      headers: { authorization: `Bearer ${hostile}` },
    });
    // Node takes 16 kB of headers: 431 beyond.
    if (hostile.length < 14_000) is(name, 'forward-auth', forwarded.status, 401);
    else if (![401, 431].includes(forwarded.status)) wrong.push([name, 'forward-auth', forwarded.status]);
    if (forwarded.headers.has('x-auth-user')) wrong.push([name, 'forward-auth', 'x-auth-user']);
  }
  expect(wrong).toEqual([]);
});
