import { randomBytes } from 'node:crypto';
import { Writable } from 'node:stream';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { pino } from 'pino';
import { KafkaClient } from '#kafka/client.js';
import { loadConfig } from '#platform/config.js';
import { createRegistry } from '#platform/metrics.js';
import { createService, listen } from '#platform/serve.js';
import { type RoleUrls, type TestDatabase, testDatabase, withRoles } from '#testing/database.js';
import { eventually } from '#testing/eventually.js';
import { AppModule } from '../src/app.module.js';
import { portalConfig } from '../src/config.js';
import { Lifetime } from '../src/lifetime.js';

export const KEY = randomBytes(32).toString('base64');
export const API_KEY = 'rsk_admin_of_the_test';

/** Where a portal works: a database and topics of its own, which outlive one portal. */
export interface Place {
  /** As a superuser. */
  database: TestDatabase;
  roles: RoleUrls;
  topicPrefix: string;
  client: KafkaClient;
  leave(): Promise<void>;
}

export async function newPlace(): Promise<Place> {
  const database = await testDatabase();
  const roles = await withRoles(database.url);
  const topicPrefix = `portal-${randomBytes(4).toString('hex')}.`;
  const brokers = process.env['KAFKA_BROKERS']!.split(',');
  const client = new KafkaClient({ brokers, clientId: 'test', topicPrefix });
  return {
    database,
    roles,
    topicPrefix,
    client,
    async leave() {
      await client.close();
      await database.drop();
    },
  };
}

export interface Answer {
  status: number;
  headers: Headers;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever the service says
  body: any;
}

export interface Portal {
  app: NestFastifyApplication;
  url: string;
  call(method: string, path: string, body?: unknown, key?: string): Promise<Answer>;
  /** All that it has logged, at every level. */
  log(): string;
  close(): Promise<void>;
}

/** @param isReady what is waited for; the portal's own readiness, unless it is not to become ready */
export async function startPortal(
  place: Place,
  env: Record<string, string> = {},
  isReady: (url: string) => Promise<boolean> = answersReady,
): Promise<Portal> {
  const config = loadConfig(portalConfig, {
    HOST: '127.0.0.1',
    PORT: '0',
    KAFKA_BROKERS: process.env['KAFKA_BROKERS'],
    KAFKA_TOPIC_PREFIX: place.topicPrefix,
    KAFKA_PARTITIONS: '1',
    KAFKA_REPLICATION_FACTOR: '1',
    // With the least rights that an installation can give.
    DATABASE_URL: place.roles.portal,
    MIGRATION_DATABASE_URL: place.roles.migrator,
    DATABASE_EXCESS_RIGHTS: 'refuse',
    RESCIND_API_KEYS: `admin:${API_KEY}`,
    RESCIND_ENCRYPTION_KEYS: `k1:${KEY}`,
    WEBHOOK_BASE_URL: 'https://hooks.example.com/',
    ...env,
  });
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      if (process.env['TEST_LOG']) process.stderr.write(chunk);
      done();
    },
  });
  const logger = pino({ level: 'trace' }, sink);
  const options = { ...config, logger };
  const app = await createService(AppModule.forRoot(config, logger, createRegistry('portal')), options);
  const url = await listen(app, options);
  app.get(Lifetime).start();
  await eventually(() => isReady(url), { what: 'the portal is ready' });
  return {
    app,
    url,
    log: () => lines.join(''),
    close: () => app.close(),
    async call(method, path, body, key = API_KEY) {
      const response = await fetch(url + path, {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
    },
  };
}

const answersReady = async (url: string): Promise<boolean> => (await fetch(`${url}/health/ready`)).status === 200;
