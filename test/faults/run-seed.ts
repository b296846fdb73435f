import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { brokersSeenAt, replicasBehindAt } from '#testing/kafka-answers.js';
import { Client, untilAnswer, type Json } from '../journey/client.js';
import type { TestStack } from '../journey/stack.js';
import type { Journal, Observation } from './check.js';
import type { Issuer } from './issuer.js';
import { type Fault, type Plan, planOf } from './plan.js';
import type { Records } from './records.js';

/** A machine may be busy with other things; whoever waits so long waits in vain. */
const QUIET_MS = 180_000;
/** The contract's answers; a connection that breaks is nobody's promise while processes are killed. */
const EXPECTED = new Set([200, 201, 409, 503]);

/**
 * While one broker of three is away, for everybody: the controller misses it after 3 s, others lead then, and whoever waits
 * for it gives up after 5 s and asks again. That is about 12 s, and more on a machine that is busy with other things.
 */
const PATIENCE_MS = 60_000;

/** Something that was waited for did not come. */
export class DidNotEnd extends Error {
  override readonly name = 'DidNotEnd';
  constructor(
    cause: unknown,
    /** Until then. */
    readonly seen: Seen,
  ) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    if (cause instanceof Error && cause.stack) this.stack = cause.stack;
  }
}

/** Plays one plan against the running stack, and answers what its clients saw. Throws `DidNotEnd`. */
export async function runSeed(
  seed: number,
  brokers: 1 | 3,
  running: TestStack,
  issuer: Issuer,
  records: Records,
): Promise<Journal> {
  const plan = planOf(seed, brokers);
  const client = new Client((await running.read())!);
  const provider = await newProvider(client, issuer, seed);
  const run = new Run(plan, client, provider, issuer);
  try {
    return await playOut(run, plan, brokers, running, client, records);
  } catch (error) {
    throw new DidNotEnd(error, run.seen());
  }
}

async function playOut(
  run: Run,
  plan: Plan,
  brokers: 1 | 3,
  running: TestStack,
  client: Client,
  records: Records,
): Promise<Journal> {
  await run.prepare();
  const faults = plan.faults.map(async (fault) => {
    await delay(fault.atMs);
    await strike(fault, running);
  });
  faults.push(strikeBrokers(plan.brokerFaults, running, client.stack.kafkaBrokers));
  const delivered = run.deliverAll();
  const over = Promise.all([delivered, ...faults]);
  await Promise.all([over, run.watchUntil(over)]);
  await run.settle();
  const { providerId } = run.seen();
  return {
    ...run.seen(),
    states: await records.statesOf(providerId),
    revocations: records.revocationsOf(providerId),
    // The figure is renewed from time to time.
    outboxRows: await untilAnswer(
      () => outboxRows(client),
      (rows) => rows === 0,
      QUIET_MS,
    ).catch(() => outboxRows(client)),
    audit: await auditOf(client, providerId),
    patienceMs: brokers === 3 && plan.faults.length === 0 ? PATIENCE_MS : undefined,
  };
}

/** What the clients of a run have seen at any moment of it. */
type Seen = Pick<Journal, 'providerId' | 'holdings' | 'grantedAt' | 'sent' | 'observations' | 'final' | 'unexpected'>;

interface Provider {
  id: string;
  issuer: string;
  url: string;
  secret: string;
}

interface Delivered {
  event: Plan['history'][number];
  firstSentAt: number;
  acknowledgedAt: number | undefined;
}

class Run {
  readonly sent = new Map<string, Delivered>();
  readonly observations: Observation[] = [];
  readonly final: Observation[] = [];
  readonly unexpected: string[] = [];
  readonly grantedAt = new Map<number, number>();
  private readonly grantIds = new Map<number, string>();
  private readonly tokens: string[];

  constructor(
    private readonly plan: Plan,
    private readonly client: Client,
    private readonly provider: Provider,
    issuer: Issuer,
  ) {
    this.tokens = plan.holdings.map(({ userId, organizationId, sessionId, issuedAt }) =>
      issuer.mint(provider.issuer, { sub: userId, org_id: organizationId, sid: sessionId, iat: issuedAt / 1_000 }),
    );
  }

  seen(): Seen {
    const { grantedAt, observations, final, unexpected } = this;
    const sent = [...this.sent.values()];
    return {
      providerId: this.provider.id,
      holdings: this.plan.holdings,
      grantedAt,
      sent,
      observations,
      final,
      unexpected,
    };
  }

  /** Grants are made before anything happens, so each of them is older than what ends it by our clocks. */
  async prepare(): Promise<void> {
    for (const [index, { userId, organizationId, sessionId }] of this.plan.holdings.entries()) {
      const holder = {
        provider_id: this.provider.id,
        user_id: userId,
        session_id: sessionId,
        ...(organizationId ? { organization_id: organizationId } : {}),
      };
      const { body } = await untilAnswer(
        () => this.client.makeGrant(holder),
        ({ status }) => status === 201,
      );
      this.grantIds.set(index, String(body['id']));
      this.grantedAt.set(index, Date.parse(String(body['granted_at'])));
    }
    await untilAnswer(
      () => this.client.verdict(this.tokens[0]!),
      (verdict) => verdict === 'active',
      QUIET_MS,
    );
  }

  /** As WorkOS does: several at once, and again whatever got no 2xx. */
  async deliverAll(): Promise<void> {
    const underWay: Promise<void>[] = [];
    for (const { event, pauseMs } of this.plan.deliveries) {
      await delay(pauseMs);
      underWay.push(this.deliver({ ...event, id: `${event.id}_${this.provider.id}` }));
    }
    await Promise.all(underWay);
  }

  private async deliver(event: Plan['history'][number]): Promise<void> {
    const known: Delivered = this.sent.get(event.id) ?? {
      event,
      firstSentAt: performance.now(),
      acknowledgedAt: undefined,
    };
    this.sent.set(event.id, known);
    for (let pauseMs = 50; ; pauseMs = Math.min(1_000, pauseMs * 2)) {
      const status = await this.client.deliver(event, this.provider);
      if (status === 200) break;
      if (status !== 0 && status !== 503) this.unexpected.push(`a webhook was answered with ${status}`);
      await delay(pauseMs);
    }
    known.acknowledgedAt ??= performance.now();
  }

  /** Clients that ask all the time, each about one token or grant. */
  async watchUntil(over: Promise<unknown>): Promise<void> {
    let isOver = false;
    const end = (): boolean => (isOver = true);
    over.then(end, end);
    await Promise.all(
      this.plan.holdings.flatMap((_, holding) =>
        (['token', 'grant'] as const).map(async (kind) => {
          while (!isOver) {
            this.observations.push(await this.observe(holding, kind));
            await delay(kind === 'token' ? 5 : 20);
          }
        }),
      ),
    );
  }

  /** Until every event is applied and every answer is there; then the last word on each. */
  async settle(): Promise<void> {
    const ids = [...this.sent.keys()];
    await untilAnswer(
      async () =>
        JSON.stringify(
          (await this.client.api('grants', 'GET', `/v1/events?limit=500&provider_id=${this.provider.id}`)).body,
        ),
      (text) => ids.every((id) => text.includes(`"${id}"`)),
      QUIET_MS,
    );
    await this.heartbeats(2);
    for (let holding = 0; holding < this.plan.holdings.length; holding++) {
      for (const kind of ['token', 'grant'] as const) {
        const last = await untilAnswer(
          () => this.observe(holding, kind),
          ({ isValid }) => isValid !== undefined,
          QUIET_MS,
        );
        this.observations.push(last);
        this.final.push(last);
      }
    }
  }

  /** The relay publishes everything that was committed before it beats; of two beats, the second one began after now. */
  private async heartbeats(count: number): Promise<void> {
    for (let beat = 0; beat < count; beat++) {
      const asOf = async (): Promise<unknown> => (await this.client.verify(this.tokens[0]!))['as_of'];
      const before = await untilAnswer(asOf, (at) => typeof at === 'string', QUIET_MS);
      await untilAnswer(asOf, (at) => typeof at === 'string' && at > String(before), QUIET_MS);
    }
  }

  private async observe(holding: number, kind: 'token' | 'grant'): Promise<Observation> {
    const startedAt = performance.now();
    const isValid = await this.ask(holding, kind);
    return { holding, kind, startedAt, endedAt: performance.now(), isValid };
  }

  private async ask(holding: number, kind: 'token' | 'grant'): Promise<boolean | undefined> {
    const answer = await (
      kind === 'token'
        ? this.client.api('tokenVerification', 'POST', '/v1/tokens/verify', { token: this.tokens[holding] })
        : this.client.api('grants', 'GET', `/v1/grants/${this.grantIds.get(holding)}`)
    ).catch(() => undefined);
    if (!answer) return undefined;
    if (!EXPECTED.has(answer.status))
      this.unexpected.push(`a ${kind} was answered with ${answer.status}: ${String(answer.body['code'])}`);
    if (answer.status !== 200) return undefined;
    return kind === 'token' ? (answer.body['active'] as boolean) : answer.body['status'] === 'active';
  }
}

/** One at a time, so that two of three replicas are always there. */
async function strikeBrokers(faults: Plan['brokerFaults'], running: TestStack, brokers: string): Promise<void> {
  for (const fault of faults) {
    await delay(fault.atMs);
    await strike(fault, running);
    await everyReplicaInSync(brokers);
  }
}

/** A broker that was away believes for a moment that nothing has changed, so each of them is asked. */
async function everyReplicaInSync(brokers: string): Promise<void> {
  const ports = brokers.split(',').map((broker) => Number(broker.split(':')[1]));
  await untilAnswer(
    () => Promise.all(ports.flatMap((port) => [replicasBehindAt(port), brokersSeenAt(port).then(missing)])),
    (behind) => behind.every((count) => count === 0),
    QUIET_MS,
  );
  function missing(seen: number[] | undefined): number | undefined {
    return seen && ports.length - seen.length;
  }
}

async function strike({ victim, kind, forMs }: Fault, running: TestStack): Promise<void> {
  if (kind === 'keep away') {
    const letBack = running.keepAway(victim);
    await delay(forMs);
    return letBack();
  }
  if (kind === 'pause') {
    const goOn = await running.pause(victim);
    await delay(forMs);
    return goOn();
  }
  await running.kill(victim);
}

async function newProvider(client: Client, issuer: Issuer, seed: number): Promise<Provider> {
  const name = `seed-${seed}-${randomBytes(4).toString('hex')}`;
  const made = await untilAnswer(
    () =>
      client.api('portal', 'POST', '/v1/identity-providers', {
        name,
        kind: 'workos',
        issuers: [`${issuer.base}/issuer/${name}`],
        jwks_uri: `${issuer.base}/jwks.json`,
        client_id: `client_${seed}`,
        audience_policy: 'bound_by_keys',
        // As the histories have it.
        suspension_rule: { metadata_key: 'suspended', value: 'yes' },
      }),
    ({ status }) => status === 201,
    QUIET_MS,
  );
  const id = String(made.body['id']);
  const enabled = await untilAnswer(
    () => client.api('portal', 'POST', `/v1/identity-providers/${id}/webhook`),
    ({ status }) => status < 300,
    QUIET_MS,
  );
  const provider = {
    id,
    issuer: `${issuer.base}/issuer/${name}`,
    url: String(enabled.body['url']),
    secret: String(enabled.body['secret']),
  };
  // Known to webhook-ingress: an empty body is refused for its signature, not for its address.
  await untilAnswer(
    async () => (await fetch(provider.url, { method: 'POST' })).status,
    (status) => status === 401,
    QUIET_MS,
  );
  return provider;
}

async function outboxRows(client: Client): Promise<number> {
  const text = await (await fetch(`${client.stack.grants}/metrics`)).text();
  return Number(/^rescind_outbox_rows(?:\{[^}]*\})? (\d+)/m.exec(text)?.[1] ?? NaN);
}

async function auditOf(client: Client, providerId: string): Promise<string[]> {
  const rows: string[] = [];
  for (let cursor: unknown; ;) {
    const path = `/v1/audit?limit=500&provider_id=${providerId}${cursor ? `&cursor=${String(cursor)}` : ''}`;
    const { body } = await client.api('grants', 'GET', path);
    for (const row of (body['data'] ?? []) as Json[]) {
      if (row['provider_id'] !== providerId || row['source_event_id'] === null) continue;
      rows.push(
        `${String(row['action'])} ${String(row['subject'])} ${String(row['source_event_id'])} ${JSON.stringify(row['detail'])}`,
      );
    }
    cursor = body['next_cursor'];
    if (!cursor) return rows;
  }
}
