import { type DynamicModule, Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import type { Registry } from 'prom-client';
import type { IdentityProviderData } from '#contracts/identity-provider.js';
import { TOPICS } from '#contracts/topics.js';
import { KafkaBatchServer } from '#kafka/batch-server.js';
import { KafkaClient } from '#kafka/client.js';
import { EndOffsets } from '#kafka/end-offsets.js';
import { FencedProducer } from '#kafka/fenced-producer.js';
import { BatchPublisher } from '#kafka/publisher.js';
import type { Logger } from '#platform/logging.js';
import { ServiceModule } from '#platform/service.module.js';
import { ApiKeyRegistry } from '#providers/api-key-registry.js';
import { ProviderRegistry } from '#providers/registry.js';
import type { SuspensionRule } from '#revocation/effects.js';
import { AccessController } from './grants/access.controller.js';
import { readHead, sealAudit } from './audit/audit-chain.js';
import { AuditController } from './audit/audit.controller.js';
import { BackgroundLoop } from './background-loop.js';
import { Canary, type CanaryParts } from './canary/canary.js';
import { CanaryController } from './canary/canary.controller.js';
import { CanaryMetrics } from './canary/metrics.js';
import { CONFIG, type GrantsConfig } from './config.js';
import { GuardTripsController } from './guard/guard-trips.controller.js';
import { GuardUndoing } from './guard/guard-undoing.js';
import { DatabaseProblems } from '#platform/database-problems.js';
import { Database } from '#platform/database.js';
import { guardOf } from './domain/guard.js';
import { EventApplier } from './events/event-applier.js';
import { gatherMs } from './events/gather-ms.js';
import { EventsController } from './events/events.controller.js';
import { GrantsController } from './grants/grants.controller.js';
import { GrantsMetrics } from './grants-metrics.js';
import { CompletenessController } from './completeness/completeness.controller.js';
import { CompletenessMetrics } from './completeness/metrics.js';
import { CompletenessWatch } from './completeness/watch.js';
import { GRANTS_SCHEMA, RELAY_LOCK, CANARY_LOCK, RECONCILIATION_LOCK, TAIL_LOCK } from './grants-schema.js';
import { readPosition } from './outbox/outbox.sql.js';
import { Leader } from '#platform/leader.js';
import { Lifetime } from './lifetime.js';
import { MarkingWorker } from './marking/marking-worker.js';
import { GRANTS_OPEN_API } from './open-api.js';
import { ReconciliationController } from './reconciliation/reconciliation.controller.js';
import { Reconciler } from './reconciliation/reconciler.js';
import { growAuditTree } from './proof/audit-tree.js';
import { ProofController } from './proof/proof.controller.js';
import { recover } from './outbox/recovery.js';
import { Relay, RELAYED_TOPICS } from './outbox/relay.js';
import { RevocationsController } from './scopes/revocations.controller.js';
import { SetAsideController } from './set-aside/set-aside.controller.js';
import { ShadowRelease } from './shadow/shadow.js';
import { ShadowRevocationsController } from './shadow/shadow-revocations.controller.js';
import { SignInsConsumer } from './events/sign-ins.consumer.js';
import { Tail } from './tail/tail.js';
import { UsersController } from './directory/users.controller.js';
import { Vitals } from './vitals.js';
import { workosApiOf } from './workos-access.js';
import { WorkOSEventsConsumer } from './events/workos-events.consumer.js';

const GROUP = 'grants';
/** One for the whole installation: of all relays that there ever were, only the newest can write. */
const RELAY_TRANSACTIONAL_ID = 'grants-relay';
/** How long the partitions of a replica that was killed wait for another: the least that Kafka allows by default. */
const SESSION_TIMEOUT_MS = 6_000;
const SEAL_CHUNK = 5_000;
const SEAL_EVERY_MS = 500;
/** Of the tree over the audit: so many that a transaction stays short where there is a whole audit to catch up with. */
const TILES_AT_ONCE = 64;
const LOG_HEAD_EVERY_MS = 60_000;

@Module({})
export class AppModule {
  static forRoot(config: GrantsConfig, logger: Logger, registry: Registry): DynamicModule {
    const client = new KafkaClient(config.kafka, logger);
    const providers = new ProviderRegistry(client, logger);
    const apiKeys = new ApiKeyRegistry(client, 'grants', logger);
    const database = new Database(config.database, GRANTS_SCHEMA, logger);
    const metrics = new GrantsMetrics(registry);
    const marking = new MarkingWorker(database, config.marking, metrics, logger);
    const agree = () => recover({ database, client, groupId: GROUP, limits: config.marking, logger });
    const applier = new EventApplier(
      database,
      providers,
      (providerId) => suspensionRuleOf(providers, providerId),
      config.marking,
      (providerId) => guardOf(providers.get(providerId)?.guard, config.guard),
      marking,
      metrics,
      logger,
      agree,
    );
    const server = new KafkaBatchServer({
      client,
      groupId: GROUP,
      maxRecordsPerBatch: config.batchRecords,
      sessionTimeout: SESSION_TIMEOUT_MS,
      gatherMs,
      startAt: (topic, partition) => database.read((tx) => readPosition(tx, topic, partition)),
    });
    const producer = new FencedProducer(client, {
      transactionalId: RELAY_TRANSACTIONAL_ID,
      topics: RELAYED_TOPICS,
    });
    const endOffsets = new EndOffsets(client, TOPICS.workosEvents);
    const relay = new Relay(producer, endOffsets, config, metrics, agree);
    const leader = new Leader(config.database.url, RELAY_LOCK, logger, (connection, signal) =>
      relay.lead(connection, signal),
    );
    const release = new ShadowRelease(database, providers, logger);
    providers.onChange(() => release.wake());
    const undoing = new GuardUndoing(database, config.marking, logger);
    const vitals = new Vitals(database, server, leader, metrics, logger);
    let headLoggedAt = 0;
    const sealer = new BackgroundLoop('seal the audit', SEAL_EVERY_MS, logger, async () => {
      const sealed = await database.transaction((tx) => sealAudit(tx, SEAL_CHUNK));
      if (sealed > 0 && Date.now() - headLoggedAt > LOG_HEAD_EVERY_MS) {
        headLoggedAt = Date.now();
        const head = await database.read(readHead);
        // Logs are kept elsewhere: with this line, whoever rewrites the database cannot cut off the end unseen.
        logger.info({ audit_head: head && `${head.seq}:${head.hash}` }, 'the audit was sealed');
      }
      const grown = await database.transaction((tx) => growAuditTree(tx, TILES_AT_ONCE));
      return sealed >= SEAL_CHUNK || grown === TILES_AT_ONCE;
    });
    const publisher = new BatchPublisher(client);
    const completeness = new CompletenessMetrics(registry);
    const workos = {
      database,
      providers,
      publisher,
      apiOf: (provider: IdentityProviderData) => workosApiOf(provider, config.encryptionKeys),
      logger,
    };
    const tail = new Tail({ ...workos, settings: config.tail, metrics: completeness });
    const reconciler = new Reconciler({ ...workos, settings: config.reconciliation });
    const canary = canaryOf(config, { ...workos, metrics: new CanaryMetrics(registry) });
    const tailLeader = new Leader(config.database.url, TAIL_LOCK, logger, (_, signal) => tail.lead(signal));
    const reconciliationLeader = new Leader(config.database.url, RECONCILIATION_LOCK, logger, (_, signal) =>
      reconciler.lead(signal),
    );
    const watch = new CompletenessWatch(database, providers, completeness, logger);
    const lifetime = new Lifetime(
      {
        client,
        producer,
        endOffsets,
        providers,
        apiKeys,
        database,
        leader,
        agree,
        loops: [marking, undoing, release, sealer, vitals],
        readers: [{ stop: () => publisher.close() }, watch, tailLeader, reconciliationLeader, ...canary],
      },
      config,
      logger,
    );
    return {
      module: AppModule,
      imports: [
        ServiceModule.forRoot({
          logger,
          registry,
          apiKeys: config.apiKeys,
          limits: config.limits,
          issuedKeys: apiKeys,
          openApi: GRANTS_OPEN_API,
          readiness: [
            { name: 'database', problem: () => database.problem() },
            { name: 'kafka', problem: () => server.problem() },
            { name: 'api_keys', problem: () => apiKeys.problem() },
            {
              name: 'relay',
              problem: () => (leader.state === 'unknown' ? 'it is not known who publishes the outbox' : undefined),
            },
          ],
          facts: () => ({
            ...vitals.facts(),
            ...(lifetime.topicProblems.length > 0 && {
              topic_problems: lifetime.topicProblems.map(({ topic, problem }) => `${topic}: ${problem}`),
            }),
            ...(server.isFailing() && { events: 'a batch of events could not be applied; it comes again' }),
          }),
        }),
      ],
      controllers: [
        WorkOSEventsConsumer,
        SignInsConsumer,
        GrantsController,
        AccessController,
        RevocationsController,
        EventsController,
        UsersController,
        ProofController,
        SetAsideController,
        GuardTripsController,
        ShadowRevocationsController,
        AuditController,
        CompletenessController,
        ReconciliationController,
        CanaryController,
      ],
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: Database, useValue: database },
        { provide: ProviderRegistry, useValue: providers },
        { provide: EventApplier, useValue: applier },
        { provide: MarkingWorker, useValue: marking },
        { provide: GuardUndoing, useValue: undoing },
        { provide: GrantsMetrics, useValue: metrics },
        { provide: KafkaBatchServer, useValue: server },
        { provide: Lifetime, useValue: lifetime },
        { provide: APP_INTERCEPTOR, useClass: DatabaseProblems },
      ],
    };
  }
}

/** The canary and whoever leads it; none where it is not configured. */
function canaryOf(config: GrantsConfig, parts: Omit<CanaryParts, 'settings' | 'keys'>): Leader[] {
  const { canary: settings, encryptionKeys: keys } = config;
  if (!settings || !keys) return [];
  const canary = new Canary({ ...parts, settings, keys });
  return [new Leader(config.database.url, CANARY_LOCK, parts.logger, (_, signal) => canary.lead(signal))];
}

function suspensionRuleOf(providers: ProviderRegistry, providerId: string): SuspensionRule | undefined {
  const rule = providers.get(providerId)?.suspension_rule;
  return rule ? { metadataKey: rule.metadata_key, value: rule.value } : undefined;
}
