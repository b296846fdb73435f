import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { TOPICS } from '#contracts/topics.js';
import type { StackFile } from '#testing/stack-file.js';
import { cpuSecondsOf } from './cpu.js';
import { httpRequest, load } from './load.js';
import { median, type Row } from './row.js';
import { withStack } from './running-stack.js';

/** Many short turns: what else a machine does hits some of both, and the median leaves these out. */
const ROUNDS = 7;
const TURN_MS = 2_500;
/** About whom the events are: their ids are the keys, so every partition gets some. */
const PEOPLE = 1_000;

/**
 * Signed webhooks that Kafka holds, a second; floor: bare node:http with a kafkajs batch producer, on the same broker, into as
 * many partitions, sent the same deliveries over as many connections, in turns. The client, Kafka and whoever reads share the
 * machine's cores with what is measured, so the CPU of the process that answers and of the broker stand beside the rate.
 */
export async function ingest(): Promise<Row[]> {
  return withStack(async (stack) => {
    const floorServer = spawn(process.execPath, [join(import.meta.dirname, 'ingest-floor.js')], {
      env: { ...process.env, KAFKA_BROKERS: stack.kafkaBrokers, LIKE_TOPIC: TOPICS.workosEvents },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [line] = (await once(floorServer.stdout, 'data')) as [Buffer];
      const floor = { url: line.toString().trim(), pid: floorServer.pid };
      const everybody = await measured('durable ingest, 64 connections', floor, stack);
      const readers = pause(stack, ['grants', 'tokenVerification', 'signals']);
      try {
        return [
          ...everybody,
          ...(await measured('the same, while nobody reads the events on these cores', floor, stack)),
        ];
      } finally {
        readers.goOn();
      }
    } finally {
      floorServer.kill();
    }
  });
}

interface Contender {
  url: string;
  pid: number | undefined;
}

/** Of one turn. */
interface Turn {
  rate: number;
  /** Microseconds of CPU for each event. */
  server: number;
  broker: number;
}

async function measured(name: string, floor: Contender, stack: StackFile): Promise<Row[]> {
  const ours = { url: stack.webhook.url, pid: stack.pids['webhookIngress'] };
  const turns: { ours: Turn[]; floor: Turn[] } = { ours: [], floor: [] };
  for (let round = -1; round < ROUNDS; round++) {
    const [a, b] = [await turnOf(floor, stack), await turnOf(ours, stack)];
    if (round < 0) continue; // to warm up
    turns.floor.push(a);
    turns.ours.push(b);
  }
  const of = (what: keyof Turn) => {
    const [value, bare] = [turns.ours, turns.floor].map((list) => median(list.map((turn) => turn[what])));
    return { value: value!, floor: bare! };
  };
  const rate = of('rate');
  const ratio = rate.value / rate.floor;
  const cpu = (whose: string, what: 'server' | 'broker'): Row => {
    const { value, floor } = of(what);
    return { name: `… CPU of ${whose}, each event`, value, unit: 'µs', floor, ratio: floor / value, target: '', met: undefined }; // prettier-ignore
  };
  return [
    {
      name,
      ...rate,
      unit: '/s',
      ratio,
      target: '≥ 5,000/s and ≥ 0.6 of its floor',
      met: rate.value >= 5_000 && ratio >= 0.6,
    },
    cpu('the process that answers', 'server'),
    cpu('Kafka', 'broker'),
  ];
}

/** They read what is there once they go on. */
function pause(stack: StackFile, names: readonly string[]): { goOn(): void } {
  const pids = names.map((name) => stack.pids[name]).filter((pid) => pid !== undefined);
  const signal = (which: NodeJS.Signals) => pids.forEach((pid) => process.kill(pid, which));
  signal('SIGSTOP');
  return { goOn: () => signal('SIGCONT') };
}

async function turnOf({ url, pid }: Contender, stack: StackFile): Promise<Turn> {
  const run = Math.random().toString(36).slice(2);
  const pids = { server: pid, broker: stack.pids['kafka'] };
  const before = { server: cpuSecondsOf(pids.server), broker: cpuSecondsOf(pids.broker) };
  const { rate, statuses, latencies } = await load(
    url,
    (index) => delivery(url, stack.webhook.secret, `event_${run}_${index}`, index % PEOPLE),
    { durationMs: TURN_MS },
  );
  const cpu = (whose: 'server' | 'broker') => (1e6 * (cpuSecondsOf(pids[whose]) - before[whose])) / latencies.length;
  const refused = Object.keys(statuses).filter((status) => status !== '200');
  if (refused.length > 0) throw new Error(`${url} answered ${refused.join(', ')}`);
  return { rate, server: cpu('server'), broker: cpu('broker') };
}

/** Of a type without effect, so that what is measured is ingest alone. */
function delivery(url: string, secret: string, id: string, person: number): Buffer {
  const body = JSON.stringify({
    id,
    object: 'event',
    event: 'bench.nothing_happened',
    data: { object: 'nothing', id: `nothing_${person}`, note: 'x'.repeat(650) },
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
