import { KafkaBatchServer } from '#kafka/batch-server.js';
import { certificateEnds } from '#kafka/certificates.js';
import { loadConfig } from '#platform/config.js';
import { databaseCertificateEnds } from '#platform/database-certificates.js';
import { createLogger } from '#platform/logging.js';
import { createRegistry, observeCertificates } from '#platform/metrics.js';
import { createService, listen, main, type ServeOptions, stopOnSignal } from '#platform/serve.js';
import { AppModule } from './app.module.js';
import { signalsConfig } from './config.js';
import { Lifetime } from './lifetime.js';
import { takeSets } from './sources/set-bodies.js';

await main(async () => {
  const config = loadConfig(signalsConfig, process.env);
  const logger = createLogger('signals', config.logLevel);
  const options: ServeOptions = { ...config, logger };
  const registry = createRegistry('signals');
  observeCertificates(registry, () => ({ ...certificateEnds(config.kafka), ...databaseCertificateEnds() }));
  const app = await createService(AppModule.forRoot(config, logger, registry), options);
  takeSets(app);
  app.connectMicroservice({ strategy: app.get(KafkaBatchServer) });
  stopOnSignal(app, options);
  await listen(app, options);
  app.get(Lifetime).start(async () => {
    await app.startAllMicroservices();
  });
});
