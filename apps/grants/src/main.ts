import { KafkaBatchServer } from '#kafka/batch-server.js';
import { certificateEnds } from '#kafka/certificates.js';
import { loadConfig } from '#platform/config.js';
import { databaseCertificateEnds } from '#platform/database-certificates.js';
import { createLogger } from '#platform/logging.js';
import { createRegistry, observeCertificates } from '#platform/metrics.js';
import { createService, listen, main, type ServeOptions, stopOnSignal } from '#platform/serve.js';
import { startTracing } from '#platform/tracing.js';
import { AppModule } from './app.module.js';
import { grantsConfig } from './config.js';
import { Lifetime } from './lifetime.js';

await main(async () => {
  const config = loadConfig(grantsConfig, process.env);
  const logger = createLogger('grants', config.logLevel);
  await startTracing('grants', logger);
  const options: ServeOptions = { ...config, logger };
  const registry = createRegistry('grants');
  observeCertificates(registry, () => ({ ...certificateEnds(config.kafka), ...databaseCertificateEnds() }));
  const app = await createService(AppModule.forRoot(config, logger, registry), options);
  app.connectMicroservice({ strategy: app.get(KafkaBatchServer) });
  stopOnSignal(app, options);
  await listen(app, options);
  app.get(Lifetime).start(async () => {
    await app.startAllMicroservices();
  });
});
