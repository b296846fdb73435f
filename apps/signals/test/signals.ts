import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeCloudEvent } from '#contracts/cloud-event.js';
import { IDENTITY_PROVIDER_TYPE } from '#contracts/identity-provider.js';
import { REVOCATION_TYPE, type RevocationData, SCOPE_STATE_TYPE, type ScopeStateData } from '#contracts/revocation.js';
import { TOPICS } from '#contracts/topics.js';
import { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { ensureTopics } from '#kafka/topics.js';
import { type RoleUrls, type TestDatabase, testDatabase, withRoles } from '#testing/database.js';
import { eventually } from '#testing/eventually.js';
import { OwnProcess } from '#testing/own-process.js';
import { providerRecord } from '#testing/provider-record.js';
import { Receiver } from './receiver.js';
import { PROVIDER, USERS_ISSUER } from './records.js';

export const ISSUER = 'https://signals.example.com';
const API_KEY = 'rsk_admin_of_the_test';
export const ENCRYPTION_KEY = randomBytes(32).toString('base64');

/** Where signals works: a database and topics of its own, which outlive one process. */
export interface Place {
  database: TestDatabase;
  roles: RoleUrls;
  client: KafkaClient;
  publisher: BatchPublisher;
  dir: string;
  leave(): Promise<void>;
}

export async function newPlace(): Promise<Place> {
  const database = await testDatabase();
  const roles = await withRoles(database.url);
  const topicPrefix = `signals-${randomBytes(4).toString('hex')}.`;
  const client = new KafkaClient({ brokers: process.env['KAFKA_BROKERS']!.split(','), clientId: 'test', topicPrefix });
  await ensureTopics(client, { partitions: 2, replicationFactor: 1 });
  const publisher = new BatchPublisher(client, { deliveryTimeoutMs: 60_000 });
  await publisher.publish(TOPICS.identityProviders, { key: PROVIDER, ...encodeCloudEvent(providerEvent) });
  const dir = await mkdtemp(join(tmpdir(), 'rescind-signals-'));
  return {
    database,
    roles,
    client,
    publisher,
    dir,
    async leave() {
      await publisher.close();
      await client.close();
      await database.drop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** signals as a process of its own, which can be killed. */
export class Signals {
  private process: OwnProcess | undefined;
  private starts = 0;
  url = '';

  constructor(
    private readonly place: Place,
    private readonly env: Record<string, string> = {},
  ) {}

  async start(): Promise<void> {
    const { place } = this;
    const log = join(place.dir, `signals-${++this.starts}-${randomBytes(3).toString('hex')}.log`);
    const main = join(process.cwd(), 'dist/apps/signals/src/main.js');
    this.process = new OwnProcess(process.execPath, ['--enable-source-maps', main], log, {
      env: {
        PATH: process.env['PATH'],
        HOST: '127.0.0.1',
        PORT: '0',
        KAFKA_BROKERS: process.env['KAFKA_BROKERS'],
        KAFKA_TOPIC_PREFIX: place.client.config.topicPrefix,
        KAFKA_PARTITIONS: '2',
        KAFKA_REPLICATION_FACTOR: '1',
        // With the least rights that an installation can give.
        DATABASE_URL: place.roles.signals,
        MIGRATION_DATABASE_URL: place.roles.migrator,
        DATABASE_EXCESS_RIGHTS: 'refuse',
        RESCIND_API_KEYS: `admin:${API_KEY}`,
        RESCIND_ENCRYPTION_KEYS: `k1:${ENCRYPTION_KEY}`,
        RESCIND_ALLOW_LOCAL_HOSTS: 'true',
        SIGNALS_ISSUER: ISSUER,
        RETRY_FIRST_MS: '50',
        RETRY_LONGEST_MS: '200',
        MIN_VERIFICATION_INTERVAL_SECONDS: '0',
        LONG_POLL_MS: '1000',
        ...this.env,
      },
    });
    this.process.start();
    const port = await eventually(
      async () => {
        if (!this.process!.running) throw new Error(await this.process!.lastWords());
        return /"port":(\d+),"msg":"listening"/.exec(await readFile(log, 'utf8'))?.[1];
      },
      { what: 'signals listens' },
    );
    this.url = `http://127.0.0.1:${port}`;
    await eventually(async () => (await fetch(`${this.url}/health/ready`)).status === 200, {
      what: 'signals is ready',
      timeoutMs: 120_000,
      everyMs: 50,
    });
  }

  /** SIGKILL. */
  kill(): Promise<void> {
    return this.process!.kill();
  }

  async stop(): Promise<void> {
    await this.process?.stop();
  }

  /** As an administrator. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever the service says
  async call(method: string, path: string, body?: object): Promise<{ status: number; body: any }> {
    const response = await fetch(this.url + path, {
      method,
      headers: { authorization: `Bearer ${API_KEY}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }

  /** A receiver that has been let in, and has discovered everything else by itself. */
  async newReceiver(name: string): Promise<Receiver & { id: string; key: string }> {
    const { status, body } = await this.call('POST', '/v1/receivers', {
      name,
      audience: `https://${name}.example.com`,
    });
    if (status !== 201) throw new Error(`no receiver: ${JSON.stringify(body)}`);
    const receiver = new Receiver(ISSUER, this.url, body.audience, body.key);
    await receiver.discover();
    return Object.assign(receiver, { id: body.id as string, key: body.key as string });
  }
}

const providerEvent = {
  id: 'provider_1',
  source: '/portal',
  type: IDENTITY_PROVIDER_TYPE,
  data: providerRecord(PROVIDER, { issuers: [USERS_ISSUER] }),
};

/** As grants announces it: the same revocation has the same id. */
export async function publishRevocation(place: Place, data: RevocationData): Promise<void> {
  const event = encodeCloudEvent({
    id: `revocation_${data.source_event_id}_${data.scope}`,
    source: '/grants',
    type: REVOCATION_TYPE,
    time: new Date().toISOString(),
    subject: data.scope,
    providerid: data.provider_id,
    data,
  });
  await place.publisher.publish(TOPICS.revocations, { key: data.scope, ...event });
}

export async function publishState(place: Place, data: ScopeStateData): Promise<void> {
  const event = encodeCloudEvent({
    id: `state_${data.scope}_${data.closed_at}_${data.opened_at}`,
    source: '/grants',
    type: SCOPE_STATE_TYPE,
    time: new Date().toISOString(),
    subject: data.scope,
    providerid: data.provider_id,
    data,
  });
  await place.publisher.publish(TOPICS.revocationState, { key: data.scope, ...event });
}
