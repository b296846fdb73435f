import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ingressConfig } from '../../apps/webhook-ingress/src/config.js';
import { verificationConfig } from '../../apps/token-verification/src/config.js';
import { signalsConfig } from '../../apps/signals/src/config.js';
import { portalConfig } from '../../apps/portal/src/config.js';
import { grantsConfig } from '../../apps/grants/src/config.js';
import { GRANTS_OPEN_API } from '../../apps/grants/src/open-api.js';
import { PORTAL_OPEN_API } from '../../apps/portal/src/open-api.js';
import { SIGNALS_OPEN_API } from '../../apps/signals/src/open-api.js';
import { VERIFICATION_OPEN_API } from '../../apps/token-verification/src/open-api.js';
import { INGRESS_OPEN_API } from '../../apps/webhook-ingress/src/open-api.js';
import type { Document } from '../../tools/api/src/document.js';
import { generated } from '../../tools/api/src/generated.js';

const ROOT = join(import.meta.dirname, '../..');

test('the API reference, the types of the console and the settings are what `npm run api` writes now', async () => {
  const documents: Record<string, object> = {
    'webhook-ingress': INGRESS_OPEN_API,
    grants: GRANTS_OPEN_API,
    'token-verification': VERIFICATION_OPEN_API,
    signals: SIGNALS_OPEN_API,
    portal: PORTAL_OPEN_API,
  };
  const services = Object.entries(documents).map(([name, document]) => ({ name, document: document as Document }));
  const settings = [
    { service: 'webhook-ingress', schema: ingressConfig },
    { service: 'grants', schema: grantsConfig },
    { service: 'token-verification', schema: verificationConfig },
    { service: 'signals', schema: signalsConfig },
    { service: 'portal', schema: portalConfig },
  ];
  for (const [path, content] of await generated(ROOT, services, settings)) {
    // Names the command, and not the whole of a long difference.
    expect({ path, isCurrent: (await readFile(join(ROOT, path), 'utf8')) === content, else: 'npm run api' }).toEqual({
      path,
      isCurrent: true,
      else: 'npm run api',
    });
  }
});
