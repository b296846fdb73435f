import type { StackFile } from '#testing/stack-file.js';
import { Client } from '../journey/client.js';
import { TestStack } from '../journey/stack.js';
import {
  askedOfGrants,
  askedOfIngress,
  askedOfPortal,
  askedOfSignals,
  askedOfVerification,
  bearer,
  makeWorld,
  type World,
} from './asked.js';
import { breaches, type Credentials, type Document } from './contract.js';

/** More with `CONTRACT_REQUESTS`, other ones with `CONTRACT_SEED`. */
const REQUESTS = Number(process.env['CONTRACT_REQUESTS'] ?? 20);
const SEED = Number(process.env['CONTRACT_SEED'] ?? 1);

/**
 * What stands in the documents and cannot be had of a stack that is whole: each is tested where that is broken. All else is
 * answered here, or the document is not true.
 */
const OUT_OF_REACH: readonly RegExp[] = [
  // An outage: docs/outages.md, and test/outages.
  / 503 (database|broker|grants|identity_provider|keys)_unavailable$/,
  / 503 (api_keys|access)_unknown$/,
  / 503 (view_stale|secret_unreadable)$/,
  / 502 (grants_refused_portal|receipt_not_signed)$/,
  /^finish(Device)?SignIn 503$/,
  / 422 discovery_timeout$/,
  // A limit: each with a test of its own.
  / 429 rate_limited$/,
  / 503 (streams_full|feed_full|too_many_waiting)$/,
  // Another installation: no database that was damaged, no providers file, no addresses that are asked for, nothing left out.
  / 409 (audit_damaged|declared_in_file)$/,
  / 503 (audit_not_sealed|audit_tree_growing)$/,
  / 403 source_not_allowed$/,
  / 404 issuer_not_configured$/,
  / 503 (grants_not_configured|public_url_missing)$/,
  // Two at the same moment.
  / 409 (idempotency_key_in_use|reconciliation_running)$/,
  // A transmitter of somebody else that refuses or misbehaves: apps/signals/test/connect.integration.test.ts.
  /^(createSource|discoverSource|verifySource|readSourceStream) (422|502) \w+$/,
  /^(createSource|verifySource|readSourceStream) 404 stream_unknown$/,
  /^createSource 409 stream_(exists|in_use)$/,
  /^(verifySource 409 verification|readSourceStream 409 status)_unsupported$/,
  /^pushSet 503 source_connecting$/,
  // Which of the two it is, is a matter of who asked last.
  /^verifySource (202|429 verification_too_often)$/,
  // Every kind of key may.
  /^checkAccess 403 permission_missing$/,
];

/** The limits have tests of their own; here they would stand in for every other answer. */
const SETTINGS = {
  BAD_CREDENTIALS_PER_MINUTE: '0',
  LONG_POLL_MS: '20',
  RESCIND_INTROSPECTION_ISSUER: 'http://127.0.0.1:9',
};

let running: TestStack;
let stack: StackFile;
let world: World;

beforeAll(async () => {
  running = await TestStack.create();
  stack = await running.start({ env: SETTINGS });
  world = await makeWorld(new Client(stack));
}, 600_000);
afterAll(async () => {
  world?.transmitter.server.close();
  await running?.stop();
  await running?.remove();
}, 600_000);

const SERVICES = {
  webhookIngress: askedOfIngress,
  grants: askedOfGrants,
  tokenVerification: askedOfVerification,
  signals: askedOfSignals,
  portal: askedOfPortal,
};
const described: string[] = [];

test.each(Object.keys(SERVICES) as (keyof typeof SERVICES)[])(
  'what %s answers is as its OpenAPI document says, and what it says is answered',
  async (service) => {
    const { receiver, streamId, grantId, ofPage, weakKeys } = world;
    const person = service === 'grants' ? world.person : world.other;
    const credentials: Credentials = {
      apiKey: () => Promise.resolve(bearer(stack.adminApiKey)),
      session: () => Promise.resolve(ofPage),
      basic: () => {
        const { clientId, clientSecret } = stack.introspection;
        const pair = service === 'signals' ? `${receiver.id}:${receiver.key}` : `${clientId}:${clientSecret}`;
        return Promise.resolve({ authorization: `Basic ${Buffer.from(pair).toString('base64')}` });
      },
      bearer_token: () => Promise.resolve(bearer(service === 'signals' ? receiver.key : person.token)),
    };
    const document = (await (await fetch(`${stack[service]}/openapi.json`)).json()) as Document;
    const result = await breaches({
      url: stack[service],
      document,
      credentials,
      known: {
        provider_id: stack.provider.id,
        provider: stack.provider.id,
        user_id: person.userId,
        organization_id: person.organizationId,
        session_id: person.sessionId,
        grant_id: grantId,
        token: service === 'webhookIngress' ? stack.webhook.url.split('/').at(-1)! : person.token,
        client_id: stack.introspection.clientId,
        stream_id: streamId,
        api_key: stack.adminApiKey,
      },
      asked: SERVICES[service](world),
      weak: weakKeys.map(bearer),
      webhookSecret: stack.webhook.secret,
      seed: SEED,
      requests: REQUESTS,
    });
    described.push(...result.described);
    console.info(
      `${service}: ${result.sent} requests, CONTRACT_SEED=${SEED}; always refused: ${result.refused.join(', ') || 'none'}`,
    );
    // What stands behind a 500 is in the log alone.
    const isFailure = (line: string): boolean => line.includes('"msg":"request failed"');
    const failures = result.breaches.length === 0 ? [] : (await running.logs(service)).split('\n').filter(isFailure);
    expect({ breaches: result.breaches, failures: failures.slice(0, 5) }).toEqual({ breaches: [], failures: [] });
    const untrue = result.unreached.filter((answer) => !OUT_OF_REACH.some((one) => one.test(answer)));
    expect({ describedAndNeverAnswered: untrue }).toEqual({ describedAndNeverAnswered: [] });
  },
  600_000,
);

test('what is out of reach here is described', () => {
  expect(OUT_OF_REACH.filter((one) => !described.some((answer) => one.test(answer)))).toEqual([]);
});
