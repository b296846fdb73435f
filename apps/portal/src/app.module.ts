import { type DynamicModule, Module } from '@nestjs/common';
import { APP_INTERCEPTOR, HttpAdapterHost } from '@nestjs/core';
import type { Registry } from 'prom-client';
import { TOPICS } from '#contracts/topics.js';
import { decodeWebhookActivity } from '#contracts/webhook-activity.js';
import { KafkaClient } from '#kafka/client.js';
import { CompactedView } from '#kafka/compacted-view.js';
import { FencedProducer } from '#kafka/fenced-producer.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { ApiKeys } from '#platform/api-key.guard.js';
import { Database } from '#platform/database.js';
import { DatabaseProblems } from '#platform/database-problems.js';
import { Leader } from '#platform/leader.js';
import type { Logger } from '#platform/logging.js';
import { ServiceModule } from '#platform/service.module.js';
import { discoverKeySet } from '#workos/discovery.js';
import { guardedFetch } from '#workos/guarded-fetch.js';
import { ApiKeyUses } from './access/key-uses.js';
import { PortalKeys } from './access/keys.js';
import { ApiKeysController } from './access/keys.controller.js';
import { MeController } from './access/me.controller.js';
import { RolesController } from './access/roles.controller.js';
import { DEVICE_THROTTLE, DeviceController } from './auth/device.controller.js';
import { DeviceSignIns } from './auth/device.js';
import { AuthKitController } from './auth/auth-kit.controller.js';
import { ProviderSignIn } from './auth/auth-kit.js';
import { People } from './auth/people.js';
import { SignInProvidersController } from './auth/sign-in-providers.controller.js';
import { SignInsUnderWay } from './auth/under-way.js';
import { SignInPublisher } from './auth/sign-in-publisher.js';
import { isSecure } from './auth/cookies.js';
import { AuthController } from './auth/auth.controller.js';
import { PortalAuthentication } from './auth/portal-authentication.js';
import { Sessions } from './auth/sessions.js';
import { FailureThrottle } from './auth/throttle.js';
import { ChangesController } from './providers/changes.controller.js';
import { ClaimMappingsController } from './providers/claim-mappings.controller.js';
import { CONFIG, type PortalConfig } from './config.js';
import { CONSOLE_FILES, ConsoleController } from './console/console.controller.js';
import { readConsole } from './console/console-files.js';
import { ConsoleHealthController, HealthWatch } from './console/console-health.controller.js';
import { DiscoveryController, ISSUER_FETCH, type IssuerFetch } from './providers/discovery.controller.js';
import { FeedController } from './feed/feed.controller.js';
import { Feed } from './feed/feed.js';
import { GuardWatch } from './feed/feed-guards.js';
import { ASK_FOR_KEY_SET, IdentityProvidersController } from './providers/identity-providers.controller.js';
import { backlog } from './providers/identity-providers.sql.js';
import type { AskForKeySet } from './providers/key-sets.js';
import { Lifetime } from './lifetime.js';
import { PORTAL_OPEN_API } from './open-api.js';
import { PortalMetrics } from './portal-metrics.js';
import { PORTAL_SCHEMA, PUBLICATION_LOCK } from './portal-schema.js';
import { ProvidersFileWatch } from './providers/providers-file-watch.js';
import { ProxyController, UPSTREAMS } from './console/proxy.controller.js';
import { Publication } from './providers/publication.js';
import { WEBHOOK_ACTIVITY, WebhookController } from './providers/webhook.controller.js';
import { ReceiptController } from './receipt/receipt.controller.js';
import { ReceiptSigner } from './receipt/receipt-keys.js';
import { SecurityHeaders } from './console/security-headers.js';

/** One for the whole installation: of all portals that there ever were, only the newest leader can write. */
const TRANSACTIONAL_ID = 'portal-publication';
/** A change that Kafka has not taken for so long is one that the services do not follow. */
const LATE_SECONDS = 5;
/** Of signing in: who fails as often from one address has to wait. */
const THROTTLE = { failures: 10, windowMs: 60_000, addresses: 10_000 };

@Module({})
export class AppModule {
  static forRoot(config: PortalConfig, logger: Logger, registry: Registry): DynamicModule {
    const client = new KafkaClient(config.kafka, logger);
    const database = new Database(config.database, PORTAL_SCHEMA, logger);
    const producer = new FencedProducer(client, {
      transactionalId: TRANSACTIONAL_ID,
      topics: [TOPICS.identityProviders, TOPICS.apiKeys],
    });
    const metrics = new PortalMetrics(registry, () => database.read(backlog).catch(() => undefined));
    const publication = new Publication(producer, client, metrics, logger);
    const leader = new Leader(config.database.url, PUBLICATION_LOCK, logger, (connection, signal) =>
      publication.lead(connection, signal),
    );
    const activity = new CompactedView(client, {
      topic: TOPICS.webhookActivity,
      decode: decodeWebhookActivity,
      logger,
    });
    // All that is fetched for one question shares its time.
    const fetch: IssuerFetch = () => {
      const { allowLocalHosts, discoveryTimeoutMs: timeoutMs } = config;
      const signal = AbortSignal.timeout(timeoutMs);
      return { allowLocalHosts, fetch: (url) => guardedFetch(url, { allowLocalHosts, timeoutMs, signal }) };
    };
    const keys = new ApiKeys(config.apiKeys);
    const secure = isSecure(config.publicUrl);
    const sessions = new Sessions(database, config.sessions, logger);
    const portalKeys = new PortalKeys(keys, database);
    const keyUses = new ApiKeyUses(client, logger);
    const publisher = new BatchPublisher(client);
    const signIn = new ProviderSignIn(database, config.encryptionKeys, config.upstreams.tokenVerification);
    const people = new People(database, config.encryptionKeys, config.upstreams.tokenVerification, signIn);
    const authentication = new PortalAuthentication(portalKeys, sessions, people, secure);
    const signer = new ReceiptSigner(database, config.encryptionKeys, config.publicUrl ?? 'rescind-portal');
    const feed = new Feed(client, logger);
    const guards = new GuardWatch(
      config.upstreams.grants,
      (entry) => feed.tell(entry),
      () => feed.followers > 0,
    );
    const ask: AskForKeySet = (issuer) => discoverKeySet(issuer, fetch());
    const file =
      config.providersFile === undefined
        ? undefined
        : new ProvidersFileWatch(
            config.providersFile,
            { pollMs: config.providersFilePollMs, allowLocalHosts: config.allowLocalHosts },
            { database, ask, keys: config.encryptionKeys, logger },
          );
    return {
      module: AppModule,
      imports: [
        ServiceModule.forRoot({
          logger,
          registry,
          apiKeys: config.apiKeys,
          limits: config.limits,
          authentication,
          openApi: PORTAL_OPEN_API,
          readiness: [
            { name: 'database', problem: () => database.problem() },
            {
              name: 'publication',
              problem: async () => {
                if (leader.state === 'unknown')
                  return 'it is not known who publishes changes: Kafka or the database is away';
                const { changes, seconds } = await database.read(backlog);
                return seconds > LATE_SECONDS ? `${changes} changes wait for Kafka` : undefined;
              },
            },
          ],
        }),
      ],
      controllers: [
        DiscoveryController,
        IdentityProvidersController,
        ClaimMappingsController,
        WebhookController,
        ChangesController,
        ApiKeysController,
        RolesController,
        MeController,
        AuthController,
        SignInProvidersController,
        DeviceController,
        AuthKitController,
        FeedController,
        ProxyController,
        ReceiptController,
        ConsoleHealthController,
        ConsoleController,
      ],
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: Database, useValue: database },
        { provide: KafkaClient, useValue: client },
        {
          provide: CONSOLE_FILES,
          useValue: config.consoleDir === undefined ? undefined : readConsole(config.consoleDir),
        },
        { provide: PortalMetrics, useValue: metrics },
        { provide: WEBHOOK_ACTIVITY, useValue: activity },
        { provide: ApiKeys, useValue: keys },
        { provide: PortalKeys, useValue: portalKeys },
        { provide: ApiKeyUses, useValue: keyUses },
        { provide: ProviderSignIn, useValue: signIn },
        { provide: SignInsUnderWay, useValue: new SignInsUnderWay(config, signIn) },
        { provide: DeviceSignIns, useValue: new DeviceSignIns(database, config.encryptionKeys) },
        { provide: DEVICE_THROTTLE, useValue: new FailureThrottle({ ...THROTTLE, failures: 60 }) },
        { provide: SignInPublisher, useValue: new SignInPublisher(publisher, logger) },
        { provide: Sessions, useValue: sessions },
        { provide: ReceiptSigner, useValue: signer },
        { provide: PortalAuthentication, useValue: authentication },
        { provide: FailureThrottle, useValue: new FailureThrottle(THROTTLE) },
        { provide: Feed, useValue: feed },
        HealthWatch,
        { provide: UPSTREAMS, useValue: config.upstreams },
        {
          provide: SecurityHeaders,
          useFactory: (host: HttpAdapterHost) => new SecurityHeaders(host, secure),
          inject: [HttpAdapterHost],
        },
        { provide: ISSUER_FETCH, useValue: fetch },
        { provide: ASK_FOR_KEY_SET, useValue: ask },
        {
          provide: Lifetime,
          useValue: new Lifetime(
            {
              client,
              producer,
              database,
              leader,
              activity,
              feed,
              guards,
              keys: portalKeys,
              keyUses,
              publisher,
              signer,
              file,
            },
            config,
            logger,
          ),
        },
        { provide: APP_INTERCEPTOR, useClass: DatabaseProblems },
      ],
    };
  }
}
