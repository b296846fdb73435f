import { Controller, Get, Header, Inject } from '@nestjs/common';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { Public } from './api-key.guard.js';

/** Metrics of one service, Prometheus text. Names: `rescind_<what>_<unit>`; few labels, never an id. */
export function createRegistry(service: string): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** @param ends name → when it ends, ms; asked each time, since certificates are renewed while we run */
export function observeCertificates(registry: Registry, ends: () => Readonly<Record<string, number>>): void {
  new Gauge({
    name: 'rescind_certificate_end_timestamp_seconds',
    help: 'When a certificate ends that the service needs: its own, the authority, what the brokers and Postgres show.',
    labelNames: ['certificate'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [certificate, ms] of Object.entries(ends())) this.set({ certificate }, ms / 1_000);
    },
  });
}

export const METRICS = Symbol('metrics registry');

@Public()
@Controller('metrics')
export class MetricsController {
  constructor(@Inject(METRICS) private readonly registry: Registry) {}

  @Get()
  @Header('content-type', Registry.PROMETHEUS_CONTENT_TYPE)
  metrics(): Promise<string> {
    return this.registry.metrics();
  }
}
