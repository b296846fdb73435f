import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import type { StackFile } from '#testing/stack-file.js';
import { httpRequest, load } from './load.js';
import { median, type Row } from './row.js';
import { withStack } from './running-stack.js';

const ROUNDS = 3;

/** Signed webhooks that Kafka holds, a second; floor: bare node:http with a kafkajs batch producer, on the same broker. */
export async function ingest(): Promise<Row[]> {
  return withStack(async (stack) => {
    const floorServer = spawn(process.execPath, [join(import.meta.dirname, 'ingest-floor.js')], {
      env: { ...process.env, KAFKA_BROKERS: stack.kafkaBrokers },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [line] = (await once(floorServer.stdout, 'data')) as [Buffer];
      const floorUrl = line.toString().trim();
      const everybody = await measured('durable ingest, 64 connections', floorUrl, stack);
      const readers = pause(stack, ['grants', 'tokenVerification', 'signals']);
      try {
        return [everybody, await measured('the same, while nobody reads the events on these cores', floorUrl, stack)];
      } finally {
        readers.goOn();
      }
    } finally {
      floorServer.kill();
    }
  });
}

async function measured(name: string, floorUrl: string, stack: StackFile): Promise<Row> {
  const ours: number[] = [];
  const floor: number[] = [];
  for (let round = -1; round < ROUNDS; round++) {
    const a = await rateOf(floorUrl, stack);
    const b = await rateOf(stack.webhook.url, stack);
    if (round < 0) continue; // to warm up
    floor.push(a);
    ours.push(b);
  }
  const ratio = median(ours) / median(floor);
  return {
    name,
    value: median(ours),
    unit: '/s',
    floor: median(floor),
    ratio,
    target: '≥ 5,000/s and ≥ 0.6 of its floor',
    met: median(ours) >= 5_000 && ratio >= 0.6,
  };
}

/** They read what is there once they go on. */
function pause(stack: StackFile, names: readonly string[]): { goOn(): void } {
  const pids = names.map((name) => stack.pids[name]).filter((pid) => pid !== undefined);
  const signal = (which: NodeJS.Signals) => pids.forEach((pid) => process.kill(pid, which));
  signal('SIGSTOP');
  return { goOn: () => signal('SIGCONT') };
}

async function rateOf(url: string, stack: StackFile): Promise<number> {
  const run = Math.random().toString(36).slice(2);
  const { rate, statuses } = await load(url, (index) => delivery(url, stack.webhook.secret, `event_${run}_${index}`));
  const refused = Object.keys(statuses).filter((status) => status !== '200');
  if (refused.length > 0) throw new Error(`${url} answered ${refused.join(', ')}`);
  return rate;
}

/** Of a type without effect, so that what is measured is ingest alone. */
function delivery(url: string, secret: string, id: string): Buffer {
  const body = JSON.stringify({
    id,
    object: 'event',
    event: 'bench.nothing_happened',
    data: { object: 'nothing', id: 'nothing_01', note: 'x'.repeat(650) },
    created_at: '2026-01-15T12:00:00.000Z',
  });
  const t = Date.now();
  const digest = createHmac('sha256', secret).update(`${t}.${body}`).digest('hex');
  return httpRequest(
    'POST',
    url,
    { 'content-type': 'application/json', 'workos-signature': `t=${t}, v1=${digest}` },
    body,
  );
}
