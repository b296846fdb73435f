import { certificateEnds } from '#kafka/certificates.js';
import { loadConfig } from '#platform/config.js';
import { createLogger } from '#platform/logging.js';
import { createRegistry, observeCertificates } from '#platform/metrics.js';
import { createService, listen, main, type ServeOptions, stopOnSignal } from '#platform/serve.js';
import { startTracing } from '#platform/tracing.js';
import { AppModule } from './app.module.js';
import { verificationConfig } from './config.js';

await main(async () => {
  const config = loadConfig(verificationConfig, process.env);
  const logger = createLogger('token-verification', config.logLevel);
  await startTracing('token-verification', logger);
  const options: ServeOptions = { ...config, logger };
  const registry = createRegistry('token-verification');
  observeCertificates(registry, () => certificateEnds(config.kafka));
  const app = await createService(AppModule.forRoot(config, logger, registry), options);
  stopOnSignal(app, options);
  await listen(app, options);
});
