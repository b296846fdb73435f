import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { IDENTITY_PROVIDER_TYPE, type IdentityProviderData } from '#contracts/identity-provider.js';
import { KEY_SET_TYPE } from '#contracts/key-set.js';
import { HEARTBEAT_KEY, HEARTBEAT_TYPE } from '#contracts/revocation.js';
import { type Topic, TOPICS } from '#contracts/topics.js';
import { encodeWorkOSRecord, readWorkOSEnvelope } from '#contracts/workos-event.js';
import { KafkaClient } from '#kafka/client.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { ensureTopics } from '#kafka/topics.js';
import { loadConfig } from '#platform/config.js';
import { createLogger } from '#platform/logging.js';
import { createRegistry } from '#platform/metrics.js';
import { createService, listen, type ServeOptions } from '#platform/serve.js';
import { eventually } from '#testing/eventually.js';
import { AppModule } from '../src/app.module.js';
import { verificationConfig } from '../src/config.js';
import { recordOf } from './record-of.js';

export const API_KEY = 'key-of-the-test';
const PARTITIONS = 3;

export interface RunningServiceOptions {
  /** The keys that are served at `<keysUrl>/<name>`. */
  keys: Record<string, readonly unknown[]>;
  providers(keysUrl: string): readonly IdentityProviderData[];
  env?: Record<string, string>;
}

/** token-verification on real Kafka with topics of its own; the test plays the relay, WorkOS and the source of keys. */
export class RunningService {
  url = '';
  /** What the next heartbeats say of `workos.events`. */
  applied: Record<string, string> = {};
  /** As many as the next heartbeats say that the topic of states has. */
  partitions = PARTITIONS;
  beatInto: number[] | undefined;
  /** What the next heartbeats say of the ends of `workos.events`. */
  ends: Record<string, string> = {};
  readonly prefix = `verification-${randomBytes(4).toString('hex')}.`;
  private readonly logger = createLogger('test', 'silent');
  private readonly client: KafkaClient;
  private readonly publisher: BatchPublisher;
  private readonly keys: Server;
  private app: NestFastifyApplication | undefined;
  private beating: NodeJS.Timeout | undefined;

  private constructor(private readonly options: RunningServiceOptions) {
    this.client = new KafkaClient({
      brokers: process.env['KAFKA_BROKERS']!.split(','),
      clientId: 'test',
      topicPrefix: this.prefix,
    });
    this.publisher = new BatchPublisher(this.client);
    this.keys = createServer((request, response) =>
      response.end(JSON.stringify({ keys: options.keys[request.url!.slice(1)] ?? [] })),
    );
  }

  static async start(options: RunningServiceOptions): Promise<RunningService> {
    const running = new RunningService(options);
    await running.prepare();
    await running.startService();
    return running;
  }

  private async prepare(): Promise<void> {
    await new Promise<void>((resolve) => this.keys.listen(0, '127.0.0.1', resolve));
    await ensureTopics(this.client, { partitions: PARTITIONS });
    await this.publisher.start();
    for (const data of this.options.providers(this.keysUrl)) {
      // A broker that is busy may not lead a topic yet that has just been made.
      await eventually(async () => {
        await this.publishProvider(data);
        return true;
      });
    }
  }

  /** Another verifier was given the keys of this address. */
  tellKeys(jwksUri: string, keys: readonly object[]): Promise<void> {
    const said = { jwks_uri: jwksUri, fetched_at: new Date().toISOString(), keys };
    return this.publish(TOPICS.keySets, jwksUri, recordOf(KEY_SET_TYPE, said));
  }

  get keysUrl(): string {
    return `http://127.0.0.1:${(this.keys.address() as AddressInfo).port}`;
  }

  publishProvider(data: IdentityProviderData): Promise<void> {
    return this.publish(TOPICS.identityProviders, data.id, recordOf(IDENTITY_PROVIDER_TYPE, data));
  }

  /** @param env over the settings that it has otherwise; empty: not set */
  async startService(env: Record<string, string> = {}): Promise<void> {
    const config = loadConfig(verificationConfig, {
      HOST: '127.0.0.1',
      PORT: '0',
      LOG_LEVEL: 'silent',
      KAFKA_BROKERS: process.env['KAFKA_BROKERS'],
      KAFKA_TOPIC_PREFIX: this.prefix,
      KAFKA_PARTITIONS: String(PARTITIONS),
      RESCIND_API_KEYS: `test:${API_KEY}`,
      RESCIND_ALLOW_LOCAL_HOSTS: 'true',
      MAX_STALENESS_MS: '2000',
      ...this.options.env,
      ...env,
    });
    const options: ServeOptions = { ...config, logger: this.logger };
    this.app = await createService(AppModule.forRoot(config, this.logger, createRegistry('test')), options);
    this.url = await listen(this.app, options);
  }

  async stopService(): Promise<void> {
    await this.app?.close();
    this.app = undefined;
  }

  async close(): Promise<void> {
    this.stopBeating();
    await this.stopService();
    await this.publisher.close();
    await this.client.close();
    this.stopKeys();
  }

  /** The source of keys goes away; there is no way back. */
  stopKeys(): void {
    this.keys.closeAllConnections();
    this.keys.close();
  }

  /** The heartbeat of the relay, each 100 ms. */
  startBeating(): void {
    this.beating ??= setInterval(() => void this.beat(new Date()).catch(() => undefined), 100);
  }

  stopBeating(): void {
    clearInterval(this.beating);
    this.beating = undefined;
  }

  /** In each partition, unless {@link beatInto} says which. */
  async beat(at: Date): Promise<void> {
    const into = this.beatInto ?? Array.from({ length: this.partitions }, (_, partition) => partition);
    const data = { at: at.toISOString(), partitions: this.partitions, applied: this.applied, ends: this.ends };
    const value = recordOf(HEARTBEAT_TYPE, data);
    await Promise.all(
      into.map((partition) => this.publisher.publish(TOPICS.revocationState, { key: HEARTBEAT_KEY, value, partition })),
    );
  }

  /** The topic gets one partition more; the heartbeats do not say so by themselves. */
  async addPartition(of: Topic): Promise<number> {
    const topic = this.client.topic(of);
    const count = PARTITIONS + 1;
    await this.client.withAdmin((admin) => admin.createPartitions({ topicPartitions: [{ topic, count }] }));
    return PARTITIONS;
  }

  /** Somebody else writes into a partition and does not commit: who reads what is committed does not get past it. */
  async openTransaction(of: Topic, partition: number): Promise<{ abort(): Promise<void> }> {
    const producer = this.client.open().producer({ transactionalId: `${this.prefix}somebody`, maxInFlightRequests: 1 });
    await producer.connect();
    const transaction = await producer.transaction();
    const topic = this.client.topic(of);
    await transaction.send({ topic, messages: [{ partition, key: 'open', value: null }] });
    return {
      abort: async () => {
        await transaction.abort();
        await producer.disconnect();
      },
    };
  }

  /** What WorkOS says, as the ingress would have published it. */
  async happens(
    providerId: string,
    event: string,
    data: { id: string } & object,
    { partition }: { partition?: number } = {},
  ): Promise<void> {
    const id = `event_${randomBytes(6).toString('hex')}`;
    const body = Buffer.from(JSON.stringify({ id, event, data, created_at: new Date().toISOString() }));
    const envelope = readWorkOSEnvelope(body);
    const value = encodeWorkOSRecord(body, envelope, { id: providerId, mode: 'enforced' }, new Date());
    if (partition === undefined) return this.publish(TOPICS.workosEvents, envelope.key, value);
    // One that has just been made: a new producer knows of it.
    const producer = this.client.open().producer();
    await producer.connect();
    await producer.send({ topic: this.client.topic(TOPICS.workosEvents), messages: [{ value, partition }] });
    await producer.disconnect();
  }

  publish(topic: Topic, key: string, value: Buffer): Promise<void> {
    return this.publisher.publish(topic, { key, value });
  }

  /** From a compacted topic. */
  remove(topic: Topic, key: string): Promise<void> {
    return this.publisher.publish(topic, { key, value: null });
  }

  endOffsets(topic: Topic): Promise<Record<string, string>> {
    return this.client.endOffsets(topic) as Promise<Record<string, string>>;
  }

  verify(token: string, key: string | null = API_KEY): Promise<Response> {
    return fetch(`${this.url}/v1/tokens/verify`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key === null ? {} : { authorization: `Bearer ${key}` }) },
      body: JSON.stringify({ token }),
    });
  }

  async answerOf(token: string): Promise<Record<string, unknown>> {
    const answer = await this.verify(token);
    return { status: answer.status, ...((await answer.json()) as object) };
  }

  /** Waits until the answer is like this. */
  becomes(token: string, expected: object): Promise<unknown> {
    return eventually(async () => {
      expect(await this.answerOf(token)).toMatchObject(expected);
      return true;
    });
  }
}
