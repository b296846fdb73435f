import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { z } from 'zod';
import type { Document } from './document.js';
import { generated } from './generated.js';

const ROOT = join(import.meta.dirname, '../../../..');

/** Which export of `open-api.ts` is the document of a service. */
const DOCUMENTS: Record<string, string> = {
  'webhook-ingress': 'INGRESS_OPEN_API',
  grants: 'GRANTS_OPEN_API',
  'token-verification': 'VERIFICATION_OPEN_API',
  signals: 'SIGNALS_OPEN_API',
  portal: 'PORTAL_OPEN_API',
};

/** Which export of `config.ts` is its settings. */
const SETTINGS: Record<string, string> = {
  'webhook-ingress': 'ingressConfig',
  grants: 'grantsConfig',
  'token-verification': 'verificationConfig',
  signals: 'signalsConfig',
  portal: 'portalConfig',
};

/** Writes the API reference, the types of the console, the settings; test/contract checks that they are current. */
const services = await Promise.all(
  Object.entries(DOCUMENTS).map(async ([name, exported]) => {
    const module = (await import(join(ROOT, 'dist/apps', name, 'src/open-api.js'))) as Record<string, Document>;
    return { name, document: module[exported]! };
  }),
);
const settings = await Promise.all(
  Object.entries(SETTINGS).map(async ([service, exported]) => {
    const module = (await import(join(ROOT, 'dist/apps', service, 'src/config.js'))) as Record<string, z.ZodType>;
    return { service, schema: module[exported]! };
  }),
);
for (const [path, content] of await generated(ROOT, services, settings)) {
  await mkdir(dirname(join(ROOT, path)), { recursive: true });
  await writeFile(join(ROOT, path), content);
  console.log(path);
}
