import { type DynamicModule, Module } from '@nestjs/common';
import type { Registry } from 'prom-client';
import { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import type { Logger } from '#platform/logging.js';
import { ownRoutes } from '#platform/own-routes.js';
import type { ServeOptions } from '#platform/serve.js';
import { ServiceModule } from '#platform/service.module.js';
import { ProviderRegistry } from '#providers/registry.js';
import type { IngressConfig } from './config.js';
import { EndpointDirectory } from './endpoint-directory.js';
import { Gate } from './gate.js';
import { IngressMetrics } from './ingress-metrics.js';
import { KafkaLifetime } from './kafka-lifetime.js';
import { INGRESS_OPEN_API } from './open-api.js';
import { WebhookActivityReport } from './webhook-activity.js';
import { brokerUnavailable, webhookRoutes } from './webhook-routes.js';

/** Bodies come as bytes, and more deliveries at once than can be held are sent back. */
export function serveOptions({ maxInFlight, ...config }: IngressConfig, logger: Logger): ServeOptions {
  return {
    ...config,
    logger,
    rawBodies: true,
    maxInFlight: { requests: maxInFlight, whenFull: brokerUnavailable('Too many deliveries are under way.') },
  };
}

@Module({})
export class AppModule {
  static forRoot(config: IngressConfig, logger: Logger, registry: Registry): DynamicModule {
    const client = new KafkaClient(config.kafka, logger);
    const metrics = new IngressMetrics(registry);
    const publisher = new BatchPublisher(client, {
      deliveryTimeoutMs: config.deliveryTimeoutMs,
      onBatch: ({ records }) => metrics.produced(records),
      onFailure: ({ records }) => metrics.failed(records),
    });
    const providers = new ProviderRegistry(client, logger);
    const activity = new WebhookActivityReport(client, providers, metrics, config.activityIntervalMs, logger);
    const gate = new Gate(config, metrics);
    const endpoints = new EndpointDirectory(providers, config.encryptionKeys, logger);
    return {
      module: AppModule,
      imports: [
        ServiceModule.forRoot({
          logger,
          registry,
          apiKeys: config.apiKeys,
          openApi: INGRESS_OPEN_API,
          readiness: [
            { name: 'kafka', problem: () => (publisher.isHealthy() ? undefined : 'Kafka does not take events') },
            {
              name: 'identity_providers',
              problem: () => (providers.isReady() ? undefined : 'the webhook endpoints are not known yet'),
            },
          ],
        }),
      ],
      providers: [
        ownRoutes(webhookRoutes({ config, logger, endpoints, publisher, metrics, gate, activity }), logger),
        { provide: KafkaClient, useValue: client },
        { provide: BatchPublisher, useValue: publisher },
        { provide: IngressMetrics, useValue: metrics },
        { provide: WebhookActivityReport, useValue: activity },
        { provide: Gate, useValue: gate },
        { provide: ProviderRegistry, useValue: providers },
        { provide: EndpointDirectory, useValue: endpoints },
        {
          provide: KafkaLifetime,
          useValue: new KafkaLifetime({ client, publisher, providers, activity }, config, logger),
        },
      ],
    };
  }
}
