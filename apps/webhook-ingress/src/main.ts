import { certificateEnds } from '#kafka/certificates.js';
import { loadConfig } from '#platform/config.js';
import { createLogger } from '#platform/logging.js';
import { createRegistry, observeCertificates } from '#platform/metrics.js';
import { createService, listen, main, stopOnSignal } from '#platform/serve.js';
import { startTracing } from '#platform/tracing.js';
import { AppModule, serveOptions } from './app.module.js';
import { ingressConfig } from './config.js';

await main(async () => {
  const config = loadConfig(ingressConfig, process.env);
  const logger = createLogger('webhook-ingress', config.logLevel);
  await startTracing('webhook-ingress', logger);
  const options = serveOptions(config, logger);
  const registry = createRegistry('webhook-ingress');
  observeCertificates(registry, () => certificateEnds(config.kafka));
  const app = await createService(AppModule.forRoot(config, logger, registry), options);
  stopOnSignal(app, options);
  await listen(app, options);
});
