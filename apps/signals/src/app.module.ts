import { type DynamicModule, Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import type { Registry } from 'prom-client';
import { KafkaBatchServer } from '#kafka/batch-server.js';
import { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { Database } from '#platform/database.js';
import { DatabaseProblems } from '#platform/database-problems.js';
import { Leader } from '#platform/leader.js';
import type { Logger } from '#platform/logging.js';
import { ServiceModule } from '#platform/service.module.js';
import { ApiKeyRegistry } from '#providers/api-key-registry.js';
import { ProviderRegistry } from '#providers/registry.js';
import { AccessTokens } from './receivers/access-tokens.js';
import { CONFIG, type SignalsConfig } from './config.js';
import { Intake } from './sources/intake.js';
import { Lifetime } from './lifetime.js';
import { SIGNALS_OPEN_API } from './open-api.js';
import { Poller } from './sources/poller.js';
import { readBacklog } from './sending/queue.sql.js';
import { ReceiverGuard } from './receivers/receiver.guard.js';
import { ReceiversController } from './receivers/receivers.controller.js';
import { RecordsConsumer } from './sending/records.consumer.js';
import { Sender } from './sending/sender.js';
import { SignalsMetrics } from './signals-metrics.js';
import { POLLER_LOCK, SENDER_LOCK, SIGNALS_SCHEMA } from './signals-schema.js';
import { Signing } from './sending/signing.js';
import { SourceStreams } from './sources/source-streams.js';
import { SourceKeys } from './sources/source-keys.js';
import { SourcesController } from './sources/sources.controller.js';
import { readPollAges, readUnverified } from './sources/sources.sql.js';
import { SsfController } from './streams/ssf.controller.js';
import { StreamsController } from './streams/streams.controller.js';
import { readPosition } from './sending/take-records.js';
import { TokenController } from './receivers/token.controller.js';
import { WellKnownController } from './streams/well-known.controller.js';

const GROUP = 'signals';
/** How long the partitions of a replica that was killed wait for another: the least that Kafka allows by default. */
const SESSION_TIMEOUT_MS = 6_000;
const KEYS_TIMEOUT_MS = 3_000;

@Module({})
export class AppModule {
  static forRoot(config: SignalsConfig, logger: Logger, registry: Registry): DynamicModule {
    const client = new KafkaClient(config.kafka, logger);
    const providers = new ProviderRegistry(client, logger);
    const apiKeys = new ApiKeyRegistry(client, 'signals', logger);
    const database = new Database(config.database, SIGNALS_SCHEMA, logger);
    const metrics = new SignalsMetrics(
      registry,
      () => database.read(readBacklog).catch(() => undefined),
      () => database.read(readPollAges).catch(() => undefined),
      () => database.read(readUnverified).catch(() => undefined),
    );
    const { encryptionKeys, issuer } = config;
    const signing = new Signing(database, encryptionKeys, config.signingKeyOverlapSeconds);
    const server = new KafkaBatchServer({
      client,
      groupId: GROUP,
      sessionTimeout: SESSION_TIMEOUT_MS,
      startAt: (topic, partition) => database.read((tx) => readPosition(tx, topic, partition)),
    });
    const sender = new Sender({ database, signing, encryption: encryptionKeys, settings: config, metrics, logger });
    const leader = new Leader(config.database.url, SENDER_LOCK, logger, async (connection, signal) => {
      await connection.query(`set search_path = ${SIGNALS_SCHEMA.name}`);
      await sender.lead(connection, signal);
    });
    const publisher = new BatchPublisher(client);
    const keys = new SourceKeys({ ...config, timeoutMs: KEYS_TIMEOUT_MS });
    const intake = new Intake({ database, keys, publisher, providers, metrics, logger });
    const poller = new Poller({ database, intake, encryption: encryptionKeys, settings: config, metrics, logger });
    const sourceStreams = new SourceStreams({ database, encryption: encryptionKeys, settings: config, logger });
    const pollers = new Leader(config.database.url, POLLER_LOCK, logger, async (connection, signal) => {
      await connection.query(`set search_path = ${SIGNALS_SCHEMA.name}`);
      await Promise.all([poller.lead(connection, signal), sourceStreams.lead(connection, signal)]);
    });
    const parts = { client, database, signing, providers, apiKeys, publisher, senders: leader, pollers };
    const lifetime = new Lifetime(parts, config, logger);
    return {
      module: AppModule,
      imports: [
        ServiceModule.forRoot({
          logger,
          registry,
          apiKeys: config.apiKeys,
          limits: config.limits,
          issuedKeys: apiKeys,
          openApi: SIGNALS_OPEN_API,
          readiness: [
            { name: 'database', problem: () => database.problem() },
            { name: 'kafka', problem: () => server.problem() },
            { name: 'api_keys', problem: () => apiKeys.problem() },
            {
              name: 'sender',
              problem: () => (leader.state === 'unknown' ? 'it is not known who sends' : undefined),
            },
          ],
          facts: () => ({
            sender: leader.state,
            poller: pollers.state,
            ...(server.isFailing() && { records: 'a batch of records could not be taken; it comes again' }),
          }),
        }),
      ],
      controllers: [
        RecordsConsumer,
        WellKnownController,
        SsfController,
        TokenController,
        ReceiversController,
        StreamsController,
        SourcesController,
      ],
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: Database, useValue: database },
        { provide: ProviderRegistry, useValue: providers },
        { provide: Signing, useValue: signing },
        { provide: SignalsMetrics, useValue: metrics },
        { provide: AccessTokens, useValue: new AccessTokens(database, signing, issuer) },
        { provide: Intake, useValue: intake },
        { provide: SourceStreams, useValue: sourceStreams },
        { provide: KafkaBatchServer, useValue: server },
        { provide: Lifetime, useValue: lifetime },
        ReceiverGuard,
        { provide: APP_INTERCEPTOR, useClass: DatabaseProblems },
      ],
    };
  }
}
