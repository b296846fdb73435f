import { createHmac } from 'node:crypto';
import { median, quantile, type Row } from './row.js';
import { type Stack, withStack } from './running-stack.js';
import { signedInPeople } from './sandbox-people.js';

const PEOPLE = Number(process.env['BENCH_PEOPLE'] ?? 500);

/** From the webhook's POST to the first refused verify, one person after the other, on an idle stack. */
export async function revocationLatency(): Promise<Row[]> {
  const samples = await withStack(async (stack) => {
    const people = await signedInPeople(stack, PEOPLE);
    const taken: number[] = [];
    for (const { id, token } of people) {
      if (!(await isActive(stack, token))) throw new Error('a token was refused before its user was deleted');
      taken.push(await refusedAfter(stack, id, token));
    }
    return taken;
  });
  const p50 = median(samples);
  const p99 = quantile(samples, 0.99);
  const name = `webhook → refused, ${samples.length} users, idle`;
  return [
    { name: `${name}, p50`, value: p50, unit: 'ms', target: '≤ 15 ms', met: p50 <= 15 },
    { name: `${name}, p99`, value: p99, unit: 'ms', target: '≤ 50 ms', met: p99 <= 50 },
  ];
}

/** Posts the signed webhook itself, so that the clock starts at the POST, and asks until the answer is no. */
async function refusedAfter(stack: Stack, userId: string, token: string): Promise<number> {
  const body = JSON.stringify({
    id: `event_bench_${userId}`,
    object: 'event',
    event: 'user.deleted',
    data: { object: 'user', id: userId },
    created_at: new Date().toISOString(),
  });
  const t = Date.now();
  const digest = createHmac('sha256', stack.webhook.secret).update(`${t}.${body}`).digest('hex');
  const started = performance.now();
  const delivered = fetch(stack.webhook.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'workos-signature': `t=${t}, v1=${digest}` },
    body,
  }).then((answer) => {
    if (answer.status !== 200) throw new Error(`the webhook was answered with ${answer.status}`);
  });
  while (await isActive(stack, token)) {
    if (performance.now() - started > 10_000) throw new Error('still active after 10 s');
  }
  const took = performance.now() - started;
  await delivered;
  return took;
}

async function isActive(stack: Stack, token: string): Promise<boolean> {
  const answer = await fetch(`${stack.tokenVerification}/v1/tokens/verify`, {
    method: 'POST',
    headers: { authorization: `Bearer ${stack.adminApiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
  });
  if (answer.status !== 200) throw new Error(`verify answered ${answer.status}`);
  return ((await answer.json()) as { active: boolean }).active;
}
