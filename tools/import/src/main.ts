import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { argumentsOf } from '#platform/arguments.js';
import { z } from 'zod';

/**
 * `npm run import [-- --provider=<id>] [--dry-run] [--max-closings=<n>]`: brings what WorkOS lists into grants, and shows how
 * far it is. Ctrl-C ends the showing and not the import; started again, it shows the one that is under way. Where grants is:
 * `GRANTS_URL` and `RESCIND_API_KEY`, or the local stack.
 */
const values = argumentsOf(
  { provider: { type: 'string' }, 'dry-run': { type: 'boolean' }, 'max-closings': { type: 'string' } },
  'npm run import [-- --provider=<id>] [--dry-run] [--max-closings=<n>]',
);
const stack = await readFile(`${process.env['RESCIND_LOCAL_DIR'] ?? '.local'}/stack.json`, 'utf8').then(
  (text) => JSON.parse(text) as { grants: string; adminApiKey: string; provider: { id: string } },
  () => undefined,
);
const url = process.env['GRANTS_URL'] ?? stack?.grants;
const key = process.env['RESCIND_API_KEY'] ?? stack?.adminApiKey;
const provider = values.provider ?? (process.env['GRANTS_URL'] ? undefined : stack?.provider.id);
if (!url || !key || !provider) {
  console.error(
    'Say where grants is (GRANTS_URL and RESCIND_API_KEY) and which provider (--provider=<id>), or run npm start.',
  );
  process.exit(2);
}

const answer = z.looseObject({ id: z.string().optional(), code: z.string().optional(), detail: z.string().optional() });
const runView = z.object({
  id: z.string(),
  status: z.string(),
  problem: z.string().nullable(),
  progress: z.looseObject({ phase: z.string() }),
  differences: z.record(z.string(), z.number()),
});

async function call(method: string, path: string, body?: object): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  return { status: response.status, body: await response.json() };
}

/** The one that is under way, where there is one already. */
async function begin(): Promise<string> {
  const maxClosings = values['max-closings'];
  const asked = await call('POST', '/v1/reconciliations', {
    provider_id: provider,
    dry_run: values['dry-run'] ?? false,
    ...(maxClosings === undefined ? {} : { max_closings: Number(maxClosings) }),
  });
  const { id, code, detail } = answer.parse(asked.body);
  if (id !== undefined) return id;
  if (code !== 'reconciliation_running') throw new Error(`${code}: ${detail}`);
  const query = new URLSearchParams({ provider_id: provider!, status: 'running' });
  const { data } = z.object({ data: z.array(runView) }).parse((await call('GET', `/v1/reconciliations?${query}`)).body);
  if (!data[0]) return begin();
  return data[0].id;
}

try {
  const id = await begin();
  const startedAt = Date.now();
  for (;;) {
    const run = runView.parse((await call('GET', `/v1/reconciliations/${id}`)).body);
    const { phase, ...counts } = run.progress;
    const seen = Object.entries(counts).map(([what, n]) => `${String(n)} ${what.replace('_', ' ')}`);
    const line = `${Math.round((Date.now() - startedAt) / 1000)} s  ${phase}: ${seen.join(', ')}`;
    if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${line}`);
    else console.log(line);
    if (run.status !== 'running') {
      console.log(`\n${run.status}${run.problem === null ? '' : `: ${run.problem}`}`);
      for (const [kind, n] of Object.entries(run.differences)) console.log(`  ${n} × ${kind}`);
      process.exitCode = run.status === 'done' ? 0 : 1;
      break;
    }
    await delay(process.stdout.isTTY ? 250 : 2_000);
  }
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
