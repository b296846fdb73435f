import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { APP_GUARD, HttpAdapterHost, Reflector } from '@nestjs/core';
import type { Registry } from 'prom-client';
import { ApiKeyGuard, ApiKeys, type Authentication, type IssuedKeys } from './api-key.guard.js';
import type { NamedSecret } from './config.js';
import { HealthController, READINESS_CHECKS, READINESS_FACTS, type ReadinessCheck } from './health.js';
import type { Logger } from './logging.js';
import { METRICS, MetricsController } from './metrics.js';
import { OPEN_API, OpenApiController } from './open-api.js';
import { type Limits, RequestLimits } from './request-limits.js';

export const LOGGER = Symbol('logger');

export interface ServiceParts {
  logger: Logger;
  registry: Registry;
  apiKeys: readonly NamedSecret[];
  /** Those that the portal has issued. */
  issuedKeys?: IssuedKeys;
  /** Where there are other ways to say who is calling; default: the API keys. */
  authentication?: Authentication;
  openApi: object;
  readiness: readonly ReadinessCheck[];
  facts?: () => Record<string, unknown>;
  /** Left out: no limits. `publicRoutes`: where 401 is said of a token that is asked about, and not of who asks. */
  limits?: Limits & { publicRoutes?: readonly string[] };
}

/** What every service has alike: health, metrics, OpenAPI, and API keys on everything that is not public. */
@Module({})
export class ServiceModule {
  static forRoot(parts: ServiceParts): DynamicModule {
    const providers: Provider[] = [
      { provide: LOGGER, useValue: parts.logger },
      { provide: METRICS, useValue: parts.registry },
      { provide: OPEN_API, useValue: parts.openApi },
      { provide: READINESS_CHECKS, useValue: parts.readiness },
      { provide: READINESS_FACTS, useValue: parts.facts ?? (() => ({})) },
      {
        provide: APP_GUARD,
        useFactory: (reflector: Reflector) =>
          new ApiKeyGuard(parts.authentication ?? new ApiKeys(parts.apiKeys, parts.issuedKeys), reflector),
        inject: [Reflector],
      },
    ];
    const { limits } = parts;
    if (limits) {
      providers.push({
        provide: RequestLimits,
        useFactory: (http: HttpAdapterHost) => new RequestLimits(http, limits, parts.registry, limits.publicRoutes),
        inject: [HttpAdapterHost],
      });
    }
    return {
      module: ServiceModule,
      global: true,
      controllers: [HealthController, MetricsController, OpenApiController],
      providers,
      exports: [LOGGER, METRICS],
    };
  }
}
