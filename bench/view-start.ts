import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { FOR_EVER } from '#contracts/moment.js';
import { TOPIC_SPECS, TOPICS } from '#contracts/topics.js';
import { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { ensureTopics } from '#kafka/topics.js';
import type { Scope } from '#revocation/scope.js';
import { OPEN } from '#revocation/scope-state.js';
import { startKafka } from '#testing/servers.js';
import { heartbeatRecords, stateRecord } from '../apps/grants/src/domain/announcements.js';
import type { Row } from './row.js';
import type { ViewReport } from './view-start-child.js';

const SCOPES = Number(process.env['BENCH_SCOPES'] ?? 1_000_000);
const PARTITIONS = 6;
const WAVE = 10_000;
const dir = join(import.meta.dirname, '../../.local/bench');

/**
 * A verifier starts and reads all scopes from their compacted topic, written as grants writes them; in a process of its own.
 * Floor: a bare kafkajs consumer that reads the same topic and looks at nothing.
 */
export async function viewStart(): Promise<Row[]> {
  const kafka = await startKafka({ dir, cache: join(dir, '../cache'), durable: false });
  const topicPrefix = `bench-${randomBytes(4).toString('hex')}.`;
  const client = new KafkaClient({ brokers: kafka.brokers.split(','), clientId: 'bench', topicPrefix });
  try {
    await ensureTopics(client, { partitions: PARTITIONS });
    await writeScopes(client);
    const floor = await inChild(client, 'floor');
    const view = await inChild(client, 'view');
    if (view.scopes !== SCOPES) throw new Error(`the view has ${view.scopes} scopes of ${SCOPES}`);
    const name = `cold start of the view, ${SCOPES.toLocaleString('en-US')} scopes`;
    const isAsked = SCOPES === 1_000_000;
    const row = (value: number, unit: string, limit: number): Row => ({
      name: `${name}, ${unit === 's' ? 'ready after' : 'memory'}`,
      value,
      unit,
      target: isAsked ? `≤ ${limit} ${unit}` : '',
      met: isAsked ? value <= limit : undefined,
    });
    return [
      { ...row(view.ms / 1_000, 's', 2), floor: floor.ms / 1_000, ratio: view.ms / floor.ms },
      row(view.megabytes, 'MB', 150),
    ];
  } finally {
    await client.withAdmin((admin) =>
      admin.deleteTopics({ topics: TOPIC_SPECS.map(({ topic }) => client.topic(topic)) }),
    );
    await client.close();
    await kafka.stop();
  }
}

async function writeScopes(client: KafkaClient): Promise<void> {
  const publisher = new BatchPublisher(client, { deliveryTimeoutMs: 120_000 });
  await publisher.start();
  const now = new Date();
  for (let start = 0; start < SCOPES; start += WAVE) {
    const wave = Array.from({ length: Math.min(WAVE, SCOPES - start) }, (_, index) =>
      publisher.publish(TOPICS.revocationState, stateOf(start + index, now)),
    );
    await Promise.all(wave);
  }
  const ends = await client.endOffsets(TOPICS.workosEvents);
  const beats = heartbeatRecords({ at: new Date(), partitions: PARTITIONS, applied: ends, ends });
  await Promise.all(beats.map((beat) => publisher.publish(TOPICS.revocationState, beat)));
  await publisher.close();
}

/** Half of them people who were deleted, half sessions that were revoked, with ids as long as WorkOS's. */
function stateOf(index: number, now: Date) {
  const end = String(index).padStart(26, '0');
  const scope: Scope =
    index % 2 === 0
      ? { kind: 'user', providerId: 'idp_bench', userId: `user_${end}` }
      : { kind: 'session', providerId: 'idp_bench', sessionId: `session_${end}` };
  const closing = { reason: 'user_deprovisioned', sourceEventId: `event_${end}`, occurredAt: now.getTime() - index };
  const after = { ...OPEN, closedAt: FOR_EVER, closing };
  return stateRecord({ scope, before: OPEN, after }, now)!;
}

async function inChild(client: KafkaClient, what: 'view' | 'floor'): Promise<ViewReport> {
  const child = fork(join(import.meta.dirname, 'view-start-child.js'), [what], { execArgv: ['--expose-gc'] });
  try {
    const failed = new Promise<never>((_, reject) => {
      child.once('exit', (code) => reject(new Error(`reading ended with ${code}`)));
    });
    child.send(client.config);
    const [report] = (await Promise.race([once(child, 'message'), failed])) as [ViewReport];
    failed.catch(() => undefined);
    return report;
  } finally {
    child.kill();
  }
}
