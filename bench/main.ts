import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { argumentsOf } from '#platform/arguments.js';
import { printTable, type Row } from './row.js';

/** Every bench, by the name that selects it: `npm run bench -- signature ingest`. All of these without a name. */
const BENCHES: Record<string, () => Promise<Row[]>> = {
  signature: async () => (await import('./signature.js')).signature(),
  ingest: async () => (await import('./ingest.js')).ingest(),
  verification: async () => (await import('./verification.js')).verification(),
  client: async () => (await import('./client.js')).client(),
  'http-verify': async () => (await import('./http-verify.js')).httpVerify(),
  guard: async () => (await import('./guard.js')).guard(),
  'mass-revocation': async () => (await import('./mass-revocation.js')).massRevocation(),
  'view-start': async () => (await import('./view-start.js')).viewStart(),
  'revocation-latency': async () => (await import('./revocation-latency.js')).revocationLatency(),
};
/** Only by name: each fills a database of its own first. */
const BY_NAME: typeof BENCHES = {
  growth: async () => (await import('./growth.js')).growth(),
  import: async () => (await import('./import.js')).importTenant(),
  lists: async () => (await import('./lists.js')).lists(),
};
const ALL = { ...BENCHES, ...BY_NAME };

const words = process.argv.slice(2);
const { json } = argumentsOf(
  { json: { type: 'boolean' } },
  `npm run bench -- [--json] [name …]: all of ${Object.keys(BENCHES).join(', ')}, or those that are named; by name alone: ${Object.keys(BY_NAME).join(', ')}.
--json writes .local/bench.json too.`,
  words.filter((word) => word.startsWith('-')),
);
const chosen = words.filter((word) => !word.startsWith('-'));
const unknown = chosen.filter((name) => !(name in ALL));
if (unknown.length > 0) {
  console.error(`There is no bench ${unknown.join(', ')}; there are ${Object.keys(ALL).join(', ')}.`);
  process.exit(2);
}

const rows: Row[] = [];
for (const name of chosen.length > 0 ? chosen : Object.keys(BENCHES)) {
  console.error(`${name} …`);
  rows.push(...(await ALL[name]!()));
}
console.log(
  `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}, ${new Date().toISOString().slice(0, 10)}\n`,
);
printTable(rows);
if (json) {
  const folder = join(import.meta.dirname, '../../.local');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'bench.json'), `${JSON.stringify(rows.map(flat), null, 2)}\n`);
}

/** The peer's name stands in the table; in the file the peer is a number like the floor. */
function flat({ peer, ...row }: Row): object {
  return { ...row, ...(peer ? { peer: peer.value, peer_name: peer.name } : {}) };
}
