import { type DynamicModule, Module } from '@nestjs/common';
import type { Registry } from 'prom-client';
import { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { ApiKeys } from '#platform/api-key.guard.js';
import type { Logger } from '#platform/logging.js';
import { ownRoutes } from '#platform/own-routes.js';
import { ServiceModule } from '#platform/service.module.js';
import { ApiKeyRegistry } from '#providers/api-key-registry.js';
import { ProviderRegistry } from '#providers/registry.js';
import { TokenCache } from '#providers/token-cache.js';
import { AnswerSigner } from './answer-signer.js';
import type { VerificationConfig } from './config.js';
import { Heartbeats } from '#revocation/heartbeats.js';
import { RevocationView } from './domain/revocation-view.js';
import { introspectionRoutes } from './introspection-routes.js';
import { FirstRefusals } from './first-refusals.js';
import { fetchKeySet } from './keys/fetch-key-set.js';
import { ProviderKeys } from './keys/provider-keys.js';
import { SharedKeySets } from './keys/shared-key-sets.js';
import { Lifetime } from './lifetime.js';
import { VERIFICATION_OPEN_API } from './open-api.js';
import { RefusalReporter } from './refusal-reporter.js';
import { RevocationStream, RevocationStreamController } from './revocation-stream.js';
import { SignInReporter } from './sign-in-reporter.js';
import { KnownScopes, ScopesController } from './scopes.controller.js';
import { ToldProviders } from './told-providers.js';
import { tokenRoutes } from './token-routes.js';
import { TokenService } from './token-service.js';
import { VerificationMetrics } from './verification-metrics.js';
import { Verifier } from './verifier.js';
import { ViewFeed } from './view-feed.js';
import { ServerMetadata, WellKnownController } from './well-known.controller.js';

@Module({})
export class AppModule {
  static forRoot(config: VerificationConfig, logger: Logger, registry: Registry): DynamicModule {
    const client = new KafkaClient(config.kafka, logger);
    const publisher = new BatchPublisher(client);
    const providers = new ProviderRegistry(client, logger);
    const apiKeys = new ApiKeyRegistry(client, 'token-verification', logger);
    const view = new RevocationView();
    const heartbeats = new Heartbeats();
    const keySets = new SharedKeySets(client, publisher, logger);
    const keys = new ProviderKeys({
      settings: config.keys,
      fetch: (url) => fetchKeySet(url, config.allowLocalHosts),
      shared: keySets,
      now: Date.now,
      logger,
    });
    keySets.onTold((url) => keys.hear(url));
    const ageMs = (now = Date.now()): number => heartbeats.ageMs(now, performance.now());
    const metrics = new VerificationMetrics(registry, {
      ageMs,
      scopes: () => view.size,
      keysAgeMs: () => keys.oldestAgeMs(Date.now()),
      keysMissing: () => keys.missing().length,
    });
    const firstRefusals = new FirstRefusals();
    const feed = new ViewFeed({
      firstRefusals,
      client,
      view,
      heartbeats,
      logger,
      providerOf: (providerId) => {
        const provider = providers.get(providerId);
        const rule = provider?.suspension_rule;
        return provider && { suspension: rule ? { metadataKey: rule.metadata_key, value: rule.value } : undefined };
      },
      onSkipped: (topic) => metrics.skippedRecord(topic),
    });
    providers.onChange((providerId) => feed.providerChanged(providerId));
    const staleness = (now?: number): string | undefined =>
      feed.problem() ??
      (ageMs(now) <= config.maxStalenessMs
        ? undefined
        : 'of no young enough moment it is proved that all is read: a partition of the states lacks its heartbeat, or events from before it were not read');
    const verifier = new Verifier({
      view,
      isFresh: (now) => staleness(now) === undefined,
      providersOf: (issuer) => providers.byIssuer(issuer),
      isCurrent: (provider) => providers.get(provider.id) === provider,
      keysOf: (provider) => keys.of(provider),
      cache: new TokenCache(config.cacheMax),
      now: Date.now,
    });
    const authentication = new ApiKeys(config.apiKeys, apiKeys);
    const told = new ToldProviders(() => providers.all());
    const stream = new RevocationStream({
      view,
      providers: told.list,
      problem: staleness,
      asOf: () => heartbeats.asOf,
      ageMs,
      authentication,
      registry,
      maxSubscribers: config.streamsMax,
    });
    providers.onChange(() => {
      told.changed();
      stream.providersChanged();
    });
    const signer = new AnswerSigner(config.introspectionIssuer ?? '', config.introspectionSigningKeys);
    const service = new TokenService(
      verifier,
      heartbeats,
      new SignInReporter(publisher),
      new RefusalReporter(publisher),
      firstRefusals,
      metrics,
    );
    return {
      module: AppModule,
      imports: [
        ServiceModule.forRoot({
          logger,
          registry,
          apiKeys: config.apiKeys,
          // A proxy asks there with everybody's tokens.
          limits: { ...config.limits, publicRoutes: ['/v1/forward-auth'] },
          authentication,
          openApi: VERIFICATION_OPEN_API,
          readiness: [
            { name: 'view', problem: staleness },
            { name: 'api_keys', problem: () => apiKeys.problem() },
            {
              name: 'identity_providers',
              problem: () => (providers.isReady() ? undefined : 'the identity providers are not known yet'),
            },
            { name: 'keys', problem: () => keys.problem() },
          ],
          facts: () => ({
            as_of: service.asOf(),
            view_age_ms: Number.isFinite(ageMs()) ? Math.round(ageMs()) : null,
            scopes: view.size,
            keys_missing: keys.missing(),
          }),
        }),
      ],
      controllers: [WellKnownController, ScopesController, RevocationStreamController],
      providers: [
        ownRoutes(
          [
            ...tokenRoutes(service, authentication),
            ...introspectionRoutes(service, signer, config.introspectionClients),
          ],
          logger,
        ),
        { provide: KnownScopes, useValue: { stateOf: view.stateOf, problem: staleness } },
        { provide: RevocationStream, useValue: stream },
        { provide: AnswerSigner, useValue: signer },
        { provide: ServerMetadata, useValue: new ServerMetadata(config.introspectionIssuer, signer) },
        { provide: ProviderRegistry, useValue: providers },
        {
          provide: Lifetime,
          useValue: new Lifetime({
            client,
            publisher,
            providers,
            apiKeys,
            keySets,
            keys,
            feed,
            topics: config.topics,
            logger,
          }),
        },
      ],
    };
  }
}
