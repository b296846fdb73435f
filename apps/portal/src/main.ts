import { join } from 'node:path';
import { certificateEnds } from '#kafka/certificates.js';
import { loadConfig } from '#platform/config.js';
import { databaseCertificateEnds } from '#platform/database-certificates.js';
import { createLogger } from '#platform/logging.js';
import { createRegistry, observeCertificates } from '#platform/metrics.js';
import { createService, listen, main, type ServeOptions, stopOnSignal } from '#platform/serve.js';
import { AppModule } from './app.module.js';
import { portalConfig } from './config.js';
import { Lifetime } from './lifetime.js';

/** Beside us in dist. */
const BUILT_CONSOLE = join(import.meta.dirname, '../../console');

await main(async () => {
  const config = loadConfig(portalConfig, { CONSOLE_DIR: BUILT_CONSOLE, ...process.env });
  const logger = createLogger('portal', config.logLevel);
  const options: ServeOptions = { ...config, logger };
  const registry = createRegistry('portal');
  observeCertificates(registry, () => ({ ...certificateEnds(config.kafka), ...databaseCertificateEnds() }));
  const app = await createService(AppModule.forRoot(config, logger, registry), options);
  stopOnSignal(app, options);
  await listen(app, options);
  app.get(Lifetime).start();
});
