import { loadConfig } from '#platform/config.js';
import { createLogger } from '#platform/logging.js';
import { createRegistry } from '#platform/metrics.js';
import { createService, listen, main, stopOnSignal } from '#platform/serve.js';
import { startTracing } from '#platform/tracing.js';
import { AppModule, serveOptions } from './app.module.js';
import { ingressConfig } from './config.js';

await main(async () => {
  const config = loadConfig(ingressConfig, process.env);
  const logger = createLogger('webhook-ingress', config.logLevel);
  await startTracing('webhook-ingress', logger);
  const options = serveOptions(config, logger);
  const app = await createService(AppModule.forRoot(config, logger, createRegistry('webhook-ingress')), options);
  stopOnSignal(app, options);
  await listen(app, options);
});
