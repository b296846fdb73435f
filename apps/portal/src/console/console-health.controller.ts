import {
  Controller,
  Get,
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { Permits } from '#platform/api-key.guard.js';
import { CONFIG, type PortalConfig } from '../config.js';
import { askHealth, askMetrics, Readings, readingOf, type Series, type ServiceHealth } from './console-health.js';

const EVERY_MS = 10_000;
const KEPT = 360; // an hour
const ANSWER_WITHIN_MS = 3_000;

/**
 * Looks at the services' metrics now and then, for the charts of the page. It keeps an hour in memory and is no monitoring:
 * of several replicas it sees the one that answers.
 */
@Injectable()
export class HealthWatch implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly readings = new Readings(KEPT);
  private timer: NodeJS.Timeout | undefined;

  constructor(@Inject(CONFIG) private readonly config: Pick<PortalConfig, 'upstreams' | 'webhookIngressUrl'>) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.look(), EVERY_MS);
    void this.look();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  services(): Promise<ServiceHealth[]> {
    const { upstreams, webhookIngressUrl } = this.config;
    return Promise.all([
      askHealth('webhook-ingress', webhookIngressUrl, ANSWER_WITHIN_MS),
      askHealth('grants', upstreams.grants.url, ANSWER_WITHIN_MS),
      askHealth('token-verification', upstreams.tokenVerification.url, ANSWER_WITHIN_MS),
      // Not every installation tells others.
      ...(upstreams.signals.url === undefined ? [] : [askHealth('signals', upstreams.signals.url, ANSWER_WITHIN_MS)]),
    ]);
  }

  series(): Series {
    return this.readings.series();
  }

  private async look(): Promise<void> {
    const { upstreams, webhookIngressUrl } = this.config;
    const [ingress, grants, verification] = await Promise.all([
      askMetrics(webhookIngressUrl, ANSWER_WITHIN_MS),
      askMetrics(upstreams.grants.url, ANSWER_WITHIN_MS),
      askMetrics(upstreams.tokenVerification.url, ANSWER_WITHIN_MS),
    ]);
    this.readings.add(Date.now(), readingOf({ ingress, grants, verification }));
  }
}

@Permits('auditor')
@Controller('api/health')
export class ConsoleHealthController {
  constructor(@Inject(HealthWatch) private readonly watch: HealthWatch) {}

  /** How the services are right now, and the last hour of what they counted. */
  @Get()
  async get(): Promise<{ services: ServiceHealth[]; series: Series }> {
    return { services: await this.watch.services(), series: this.watch.series() };
  }
}
