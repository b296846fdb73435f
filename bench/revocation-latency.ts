import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { StackFile } from '#testing/stack-file.js';
import type { LoadOrder, LoadReport } from './background-load.js';
import { median, quantile, type Row } from './row.js';
import { withStack } from './running-stack.js';
import { type Person, signedInPeople } from './sandbox-people.js';
import { signedWebhook } from './webhook.js';

const PEOPLE = Number(process.env['BENCH_PEOPLE'] ?? 500);
const WEBHOOKS_PER_SECOND = 1_000;
const VERIFIES_PER_SECOND = 2_000;
const LOAD_MS = 30_000;
const WARM_UP_MS = 3_000;
/** Whose tokens the load asks about; they stay. */
const BYSTANDERS = 50;

/** From the webhook's POST to the first refused verify, one person after the other: on an idle stack, then under load. */
export async function revocationLatency(): Promise<Row[]> {
  return withStack(async (stack) => {
    const idle: number[] = [];
    for (const person of await signedInPeople(stack, PEOPLE)) idle.push(await refusedAfter(stack, person));
    const { samples, report } = await underLoad(stack);
    return [...rows(idle, 'idle', { p50: 15, p99: 50 }), ...rowsUnderLoad(samples, report)];
  });
}

/** A latency under less than the load that was meant meets nothing, however short it is. */
export function rowsUnderLoad(samples: readonly number[], report: LoadReport): Row[] {
  const [webhooks, verifies] = [report.webhooksPerSecond, report.verifiesPerSecond].map((rate) => Math.round(rate));
  const isFullLoad = webhooks! >= 0.95 * WEBHOOKS_PER_SECOND && verifies! >= 0.95 * VERIFIES_PER_SECOND;
  return rows(samples, `under ${webhooks} webhooks/s and ${verifies} verifies/s`, { p99: 150 }, isFullLoad);
}

function rows(samples: readonly number[], when: string, atMost: { p50?: number; p99: number }, valid = true): Row[] {
  const row = (name: string, value: number, limit: number | undefined): Row => ({
    name: `webhook → refused, ${samples.length} users, ${when}, ${name}`,
    value,
    unit: 'ms',
    target: limit === undefined ? '' : `≤ ${limit} ms`,
    met: limit === undefined ? undefined : valid && value <= limit,
  });
  return [row('p50', median(samples), atMost.p50), row('p99', quantile(samples, 0.99), atMost.p99)];
}

/** As many people as the time of the load allows. */
async function underLoad(stack: StackFile): Promise<{ samples: number[]; report: LoadReport }> {
  const bystanders = await signedInPeople(stack, BYSTANDERS);
  const people = await signedInPeople(stack, PEOPLE);
  const child = fork(join(import.meta.dirname, 'background-load.js'));
  const reported = once(child, 'message') as Promise<[LoadReport]>;
  const failed = new Promise<never>((_, reject) => {
    child.once('exit', (code) => code !== 0 && reject(new Error(`the load ended with ${code}`)));
  });
  const order: LoadOrder = {
    stack,
    tokens: bystanders.map(({ token }) => token),
    webhooksPerSecond: WEBHOOKS_PER_SECOND,
    verifiesPerSecond: VERIFIES_PER_SECOND,
    durationMs: LOAD_MS,
  };
  child.send(order);
  try {
    const samples: number[] = [];
    const measure = async (): Promise<void> => {
      const ends = performance.now() + LOAD_MS - 1_000;
      await delay(WARM_UP_MS);
      for (const person of people) {
        if (performance.now() > ends) return;
        samples.push(await refusedAfter(stack, person));
      }
    };
    const [[report]] = await Promise.race([Promise.all([reported, measure()]), failed]);
    return { samples, report };
  } finally {
    failed.catch(() => undefined);
    child.kill();
  }
}

/** Posts the signed webhook itself, so that the clock starts at the POST, and asks until the answer is no. */
async function refusedAfter(stack: StackFile, { id, token }: Person): Promise<number> {
  if (!(await isActive(stack, token))) throw new Error('a token was refused before its user was deleted');
  const webhook = signedWebhook(stack, 'user.deleted', { object: 'user', id });
  const started = performance.now();
  const delivered = fetch(stack.webhook.url, { method: 'POST', ...webhook }).then((answer) => {
    if (answer.status !== 200) throw new Error(`the webhook was answered with ${answer.status}`);
  });
  while (await isActive(stack, token)) {
    if (performance.now() - started > 30_000) throw new Error('still active after 30 s');
  }
  const took = performance.now() - started;
  await delivered;
  return took;
}

async function isActive(stack: StackFile, token: string): Promise<boolean> {
  const answer = await fetch(`${stack.tokenVerification}/v1/tokens/verify`, {
    method: 'POST',
    headers: { authorization: `Bearer ${stack.adminApiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
  });
  if (answer.status !== 200) throw new Error(`verify answered ${answer.status}`);
  return ((await answer.json()) as { active: boolean }).active;
}
