import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { TOPICS } from '#contracts/topics.js';
import { KafkaClient } from '#kafka/client.js';
import { TopicReader } from '#kafka/topic-reader.js';
import type { StackFile } from '#testing/stack-file.js';
import { type Api, apiOf, type Json } from './api.js';

type Urls = Omit<StackFile, 'pids'>;
/** Says what was done and how long it took, ms. */
export type OnStep = (what: string, ms: number) => void;

const LATE_MS = 15_000;

/** Somebody at the sandbox who has signed in, and what they were given. */
interface Person {
  userId: string;
  organizationId: string;
  membershipId: string;
  sessionId: string;
  token: string;
  grantId: string;
}

interface Ending {
  name: string;
  /** What is done in WorkOS. */
  act(sandbox: Api, person: Person): Promise<unknown>;
  /** What the token is refused with, and what stands on the grant. */
  reason: string;
}

/** The signals that end access; each is played with a person of its own. */
export const ENDINGS: readonly Ending[] = [
  {
    name: 'the user is deleted in WorkOS',
    act: (sandbox, { userId }) => sandbox('DELETE', `/user_management/users/${userId}`),
    reason: 'user_deprovisioned',
  },
  {
    name: 'the membership is set inactive (what enterprise directories send)',
    act: (sandbox, { membershipId }) =>
      sandbox('PUT', `/user_management/organization_memberships/${membershipId}/deactivate`),
    reason: 'membership_inactive',
  },
  {
    name: 'the membership is deleted',
    act: (sandbox, { membershipId }) => sandbox('DELETE', `/user_management/organization_memberships/${membershipId}`),
    reason: 'membership_deleted',
  },
  {
    name: 'the session is revoked',
    act: (sandbox, { sessionId }) => sandbox('POST', '/user_management/sessions/revoke', { session_id: sessionId }),
    reason: 'session_revoked',
  },
  {
    name: 'the organization is deleted',
    act: (sandbox, { organizationId }) => sandbox('DELETE', `/organizations/${organizationId}`),
    reason: 'organization_deleted',
  },
];

/** Plays the journey against a running stack, over HTTP and Kafka alone. Throws where anything is not as promised. */
export async function play(urls: Urls, onStep: OnStep): Promise<void> {
  const announced = await Announcements.open(urls.kafkaBrokers);
  try {
    for (const [index, ending] of ENDINGS.entries()) await playOne(urls, ending, announced, onStep, index === 0);
  } finally {
    await announced.close();
  }
}

async function playOne(
  urls: Urls,
  ending: Ending,
  announced: Announcements,
  onStep: OnStep,
  inFull: boolean,
): Promise<void> {
  const sandbox = apiOf(urls.sandbox, urls.provider.apiKey);
  const grants = apiOf(urls.grants, urls.adminApiKey);
  const verifier = apiOf(urls.tokenVerification, urls.adminApiKey);
  const step = async <T>(what: string, run: () => Promise<T>): Promise<T> => {
    const startedAt = performance.now();
    const result = await run();
    if (inFull) onStep(what, performance.now() - startedAt);
    return result;
  };

  const person = await step('somebody joins an organization and signs in with AuthKit', () => signIn(urls, sandbox));
  const check = {
    user_id: person.userId,
    organization_id: person.organizationId,
    resource: 'vault:production',
    scope: 'read',
  };
  person.grantId = await step('a grant is made', async () => {
    const { user_id, organization_id, resource } = check;
    const body = { user_id, organization_id, session_id: person.sessionId, resource, scopes: ['read'] };
    return String((await grants('POST', '/v1/grants', body))['id']);
  });
  const verify = (): Promise<Json> => verifier('POST', '/v1/tokens/verify', { token: person.token });
  const allowed = (): Promise<Json> => grants('POST', '/v1/access/check', check);
  await step('the token is active', async () =>
    expected((await verify())['active'] === true, 'the token is not active'),
  );
  await step('the access check says yes', async () =>
    expected((await allowed())['allowed'] === true, 'access is not allowed'),
  );

  const endedAt = performance.now();
  await ending.act(sandbox, person);
  if (inFull) onStep(`** ${ending.name} ** (answered)`, performance.now() - endedAt);
  const since = (what: string): void => {
    if (inFull) onStep(what, performance.now() - endedAt);
  };
  await Promise.all([
    until('the token is refused', async () => {
      const { active, reason } = await verify();
      return active === false && reason === ending.reason ? true : undefined;
    }).then(() => since(`the token is refused: ${ending.reason}`)),
    until('the grant is revoked', async () => {
      const grant = await grants('GET', `/v1/grants/${person.grantId}`);
      const revocation = grant['revocation'] as Json | null;
      return grant['status'] === 'revoked' && revocation?.['reason'] === ending.reason ? revocation : undefined;
    }).then((revocation) =>
      since(`the grant is revoked: ${ending.reason}, by ${String(revocation['source_event_id'])}`),
    ),
    until('access is denied', async () => ((await allowed())['allowed'] === false ? true : undefined)).then(() =>
      since('the access check says no'),
    ),
    until('the revocation is announced', async () => announced.find(person, ending.reason)).then(() =>
      since(`a revocation stands on ${TOPICS.revocations}`),
    ),
  ]);
  if (!inFull)
    onStep(`${ending.name}: refused, revoked, denied and announced (${ending.reason})`, performance.now() - endedAt);
}

/** As a browser and an application would: authorize, the code comes back, the code is exchanged with PKCE. */
async function signIn(urls: Urls, sandbox: Api): Promise<Person> {
  const email = `ada-${randomBytes(4).toString('hex')}@example.test`;
  const organization = await sandbox('POST', '/organizations', { name: 'Analytical Engines' });
  const user = await sandbox('POST', '/user_management/users', { email, first_name: 'Ada', email_verified: true });
  const membership = await sandbox('POST', '/user_management/organization_memberships', {
    user_id: user['id'],
    organization_id: organization['id'],
  });
  const verifier = randomBytes(32).toString('base64url');
  const authorize = new URL(`${urls.sandbox}/user_management/authorize`);
  authorize.search = new URLSearchParams({
    response_type: 'code',
    client_id: urls.provider.clientId,
    redirect_uri: 'http://127.0.0.1/callback',
    provider: 'authkit',
    login_hint: email,
    organization_id: String(organization['id']),
    state: 'journey',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString();
  const redirect = await fetch(authorize, { redirect: 'manual' });
  const code = new URL(redirect.headers.get('location') ?? 'none:').searchParams.get('code');
  expected(code !== null, `authorize answered ${redirect.status} without a code`);
  const session = await sandbox('POST', '/user_management/authenticate', {
    client_id: urls.provider.clientId,
    client_secret: urls.provider.apiKey,
    grant_type: 'authorization_code',
    code,
    code_verifier: verifier,
  });
  const token = String(session['access_token']);
  const claims = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { sid: string };
  return {
    userId: String(user['id']),
    organizationId: String(organization['id']),
    membershipId: String(membership['id']),
    sessionId: claims.sid,
    token,
    grantId: '',
  };
}

/** What is announced on `access.revocations` from now on. */
class Announcements {
  private readonly seen: Json[] = [];
  private constructor(
    private readonly client: KafkaClient,
    private readonly reader: TopicReader,
  ) {}

  static async open(brokers: string): Promise<Announcements> {
    const client = new KafkaClient({ brokers: brokers.split(','), clientId: 'journey', topicPrefix: '' });
    const announcements: Announcements = new Announcements(
      client,
      new TopicReader(client, {
        topics: [TOPICS.revocations],
        onRecords: (records) => {
          for (const { value } of records) {
            if (value) announcements.seen.push((JSON.parse(value.toString()) as { data: Json }).data);
          }
        },
      }),
    );
    await announcements.reader.start();
    await announcements.reader.caughtUp;
    return announcements;
  }

  find({ userId, organizationId, sessionId }: Person, reason: string): Json | undefined {
    return this.seen.find(
      (data) =>
        data['reason'] === reason &&
        (data['user_id'] === userId || data['session_id'] === sessionId || data['organization_id'] === organizationId),
    );
  }

  async close(): Promise<void> {
    await this.reader.close();
    await this.client.close();
  }
}

async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + LATE_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`not within ${LATE_MS / 1000} s: ${what}`);
    await delay(1);
  }
}

function expected(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}
