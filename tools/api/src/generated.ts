import { readFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';
import { stringify } from 'yaml';
import { RECORD_KINDS } from '#contracts/record-kinds.js';
import { asyncApi, nameOf, recordSchema } from './async-api.js';
import type { Document } from './document.js';
import { referenceOf } from './reference.js';
import { type Setting, settingsOf, type SettingsOf, settingsPage, valuesSchema } from './settings.js';
import { typesOf } from './typescript.js';

/** Whom the console asks, and at which prefix of the portal. */
const OF_CONSOLE: Readonly<Record<string, string>> = {
  grants: '/api/grants',
  'token-verification': '/api/token-verification',
  signals: '/api/signals',
  portal: '',
};

/**
 * Everything that is generated from the services' own OpenAPI documents and settings, and from what is said of the topics: path →
 * content, formatted.
 * @param root the folder of the project, whose way of formatting it is
 */
export async function generated(
  root: string,
  services: readonly { name: string; document: Document }[],
  settings: readonly SettingsOf[],
): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const { name, document } of services) files.set(`docs/api/${name}.md`, referenceOf(document));
  const reached = services.flatMap(({ name, document }) => {
    const prefix = OF_CONSOLE[name];
    return prefix === undefined ? [] : [{ name, document, prefix }];
  });
  files.set('apps/console/src/api-types.ts', typesOf(reached));
  files.set('docs/events/asyncapi.yaml', stringify(asyncApi((kind) => `./schemas/${nameOf(kind)}.json`)));
  for (const kind of RECORD_KINDS) {
    files.set(`docs/events/schemas/${nameOf(kind)}.json`, JSON.stringify(recordSchema(kind)));
  }
  const known = new Map<string, Setting[]>();
  for (const one of settings) known.set(one.service, await settingsOf(root, one));
  files.set('docs/settings.md', settingsPage(known));
  const values = 'deploy/helm/rescind/values.schema.json';
  files.set(values, valuesSchema(await readFile(`${root}/${values}`, 'utf8'), known));
  for (const [path, content] of files) {
    const filepath = `${root}/${path}`;
    files.set(path, await format(content, { ...(await resolveConfig(filepath)), filepath }));
  }
  return files;
}
