import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { certificateEnds } from '#kafka/certificates.js';
import { KafkaClient } from '#kafka/client.js';
import type { KafkaConfig } from '#kafka/settings.js';
import { BrokerUnavailable } from '#kafka/errors.js';
import { BatchPublisher } from '#kafka/publisher.js';
import { type OnScanned, scanTopic } from '#kafka/topic-scan.js';
import { eventually } from '#testing/eventually.js';
import { kafkaJars } from '#testing/kafka-jars.js';
import { LocalKafka } from '#testing/local-kafka.js';
import { Authority, hasOpenssl, type Signed } from '#testing/certificates.js';

/** The certificates of the test are made by openssl; where it is not, the test is skipped, and that is seen. */
const withTls = hasOpenssl() ? describe : describe.skip;

const HOUR_S = 3_600;
const STOOD_STILL_MS = 5_000;

/** As an authorization server has it: client credentials in, a signed token out. */
class TokenServer {
  readonly clientId = 'rescind';
  readonly clientSecret = `s/${randomBytes(12).toString('hex')}`;
  asked = 0;
  /** Seconds. */
  tokensLive = HOUR_S;
  scopes: (string | null)[] = [];
  private server!: Server;
  private keys!: Awaited<ReturnType<typeof generateKeyPair>>;

  async start(): Promise<void> {
    this.keys = await generateKeyPair('RS256');
    const jwks = { keys: [{ ...(await exportJWK(this.keys.publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' }] };
    this.server = createServer((request, response) => {
      response.setHeader('content-type', 'application/json');
      if (request.url === '/jwks') return response.end(JSON.stringify(jwks));
      void text(request).then(async (body) => {
        const form = new URLSearchParams(body);
        const expected = [this.clientId, this.clientSecret].map(encodeURIComponent).join(':');
        const isClient = request.headers.authorization === `Basic ${Buffer.from(expected).toString('base64')}`;
        if (!isClient || form.get('grant_type') !== 'client_credentials') {
          return response.writeHead(401).end(JSON.stringify({ error: 'invalid_client', hint: this.clientSecret }));
        }
        this.asked += 1;
        this.scopes.push(form.get('scope'));
        response.end(JSON.stringify({ access_token: await this.token(), expires_in: this.tokensLive }));
      });
    });
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  token(): Promise<string> {
    return new SignJWT({ scope: 'kafka' })
      .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
      .setIssuer(this.url)
      .setAudience('kafka')
      .setSubject(this.clientId)
      .setIssuedAt()
      .setExpirationTime(`${this.tokensLive}s`)
      .sign(this.keys.privateKey);
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

withTls('a broker that wants TLS with a client certificate, and SCRAM or a token', () => {
  const password = randomBytes(12).toString('hex');
  const dir = mkdtempSync(join(tmpdir(), 'rescind-kafka-'));
  const tokens = new TokenServer();
  const open: KafkaClient[] = [];
  let kafka: LocalKafka;
  let ssl: { ca: string; cert: string; key: string };

  beforeAll(async () => {
    await tokens.start();
    const authority = new Authority(dir);
    const broker = authority.sign('broker');
    ssl = { ca: authority.cert, ...authority.sign('client') };
    const pem = (one: string): string => one.trim().replaceAll('\n', '\\n');
    const guarded = 'listener.name.guarded';
    const modules = 'org.apache.kafka.common.security';
    kafka = await LocalKafka.create({
      jars: await kafkaJars(join(process.cwd(), '.local/cache')),
      dir,
      door: {
        protocol: 'SASL_SSL',
        format: ['--add-scram', `SCRAM-SHA-512=[name=rescind,password=${password}]`],
        system: [`-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${tokens.url}/jwks`],
        settings: {
          [`${guarded}.ssl.keystore.type`]: 'PEM',
          [`${guarded}.ssl.keystore.certificate.chain`]: pem(broker.cert),
          [`${guarded}.ssl.keystore.key`]: pem(broker.key),
          [`${guarded}.ssl.truststore.type`]: 'PEM',
          [`${guarded}.ssl.truststore.certificates`]: pem(authority.cert),
          [`${guarded}.ssl.client.auth`]: 'required',
          [`${guarded}.sasl.enabled.mechanisms`]: 'SCRAM-SHA-512,OAUTHBEARER',
          [`${guarded}.scram-sha-512.sasl.jaas.config`]: `${modules}.scram.ScramLoginModule required;`,
          [`${guarded}.oauthbearer.sasl.jaas.config`]: `${modules}.oauthbearer.OAuthBearerLoginModule required;`,
          [`${guarded}.oauthbearer.sasl.server.callback.handler.class`]: `${modules}.oauthbearer.OAuthBearerValidatorCallbackHandler`,
          // Then a connection ends with the token that it was opened with (KIP-368).
          [`${guarded}.oauthbearer.connections.max.reauth.ms`]: 3_600_000,
          [`${guarded}.oauthbearer.sasl.oauthbearer.jwks.endpoint.url`]: `${tokens.url}/jwks`,
          [`${guarded}.oauthbearer.sasl.oauthbearer.expected.audience`]: 'kafka',
          [`${guarded}.oauthbearer.sasl.oauthbearer.expected.issuer`]: tokens.url,
        },
      },
    });
    await kafka.start();
  }, 180_000);

  afterAll(async () => {
    await Promise.all(open.map((client) => client.close()));
    await kafka?.kill();
    tokens.stop();
    rmSync(dir, { recursive: true, force: true });
  }, 60_000);

  const scram = { mechanism: 'scram-sha-512' as const, username: 'rescind', password };
  const oauth = () => ({
    mechanism: 'oauthbearer' as const,
    tokenEndpoint: `${tokens.url}/token`,
    clientId: tokens.clientId,
    clientSecret: tokens.clientSecret,
    scope: 'kafka',
  });
  const clientWith = (config: Partial<KafkaConfig>): KafkaClient => {
    const brokers = [kafka.authenticated!];
    const client = new KafkaClient({ brokers, clientId: 'test', topicPrefix: `${randomUUID()}.`, ssl, ...config });
    open.push(client);
    return client;
  };
  const topicOf = (client: KafkaClient): Promise<unknown> =>
    client.withAdmin((admin) => admin.createTopics({ topics: [{ topic: client.topic('t'), numPartitions: 1 }] }));

  test('SCRAM, and a scan', async () => {
    const client = clientWith({ sasl: scram });
    await topicOf(client);
    const publisher = new BatchPublisher(client);
    const value = Buffer.alloc(300_000, 'x');
    for (let i = 0; i < 10; i++) await publisher.publish('t' as never, { key: null, value });
    await publisher.close();
    const scanned: string[] = [];
    const take: OnScanned = (_partition, bytes, start, end) => void scanned.push(bytes.toString('latin1', start, end));
    expect(await scanTopic(client, 't' as never, take, new AbortController().signal)).toEqual({ 0: '10' });
    expect(scanned).toEqual(Array(10).fill(value.toString('latin1')));
  });

  test('OAUTHBEARER: one token serves all connections', async () => {
    const client = clientWith({ sasl: oauth() });
    await topicOf(client);
    await client.ping(30_000);
    expect(await client.endOffsets('t' as never)).toEqual({ 0: '0' });
    expect(tokens.asked).toBe(1);
    expect(tokens.scopes).toEqual(['kafka']);
  });

  test('OAUTHBEARER: a connection outlives the tokens that it was opened with', async () => {
    tokens.tokensLive = 12; // kafkajs authenticates anew when 10 s are left
    const client = clientWith({ sasl: oauth() });
    await topicOf(client);
    const publisher = new BatchPublisher(client);
    const failures: unknown[] = [];
    let last = performance.now();
    let since = last;
    const renewed = tokens.asked + 2;
    await eventually(
      async () => {
        const before = last;
        last = performance.now();
        try {
          await publisher.publish('t' as never, { key: null, value: Buffer.from('x') });
        } catch (error) {
          // A machine that stood still until a session had ended says nothing of how sessions are kept.
          if (performance.now() - before < STOOD_STILL_MS) failures.push(error);
          since = performance.now();
        }
        return (
          failures.length > 0 || (tokens.asked >= renewed && performance.now() > since + tokens.tokensLive * 1_000)
        );
      },
      { everyMs: 50, what: 'two more tokens, and the end of the first' },
    );
    await publisher.close();
    tokens.tokensLive = HOUR_S;
    expect(failures).toEqual([]);
  });

  test.each<[string, () => Partial<KafkaConfig>]>([
    ['another password', () => ({ sasl: { ...scram, password: 'guess' } })],
    ['another client secret', () => ({ sasl: { ...oauth(), clientSecret: 'guess' } })],
    ['a token endpoint that is not there', () => ({ sasl: { ...oauth(), tokenEndpoint: 'http://127.0.0.1:1/token' } })],
    ['no client certificate', () => ({ sasl: scram, ssl: { ca: ssl.ca } })],
    ['another authority for the broker', () => ({ sasl: scram, ssl: { ...ssl, ca: otherAuthority() } })],
    ['no SASL', () => ({})],
  ])('%s: nobody gets in, and no secret is in what is said', async (_, config) => {
    const said: unknown[] = [];
    const logger = { info: take, warn: take, error: take };
    function take(...line: unknown[]): void {
      said.push(line);
    }
    const client = new KafkaClient(
      { brokers: [kafka.authenticated!], clientId: 'test', topicPrefix: '', ssl, ...config() },
      logger,
    );
    const failure = await client
      .withAdmin((admin) => admin.listTopics(), { retries: 0 })
      .then(
        () => undefined,
        (error: Error) => error,
      );
    await client.close();
    expect(failure).toBeInstanceOf(BrokerUnavailable);
    const all = `${JSON.stringify(said)} ${failure!.stack} ${String((failure!.cause as Error | undefined)?.stack)}`;
    for (const secret of [password, tokens.clientSecret, 'guess']) expect(all).not.toContain(secret);
  });

  test('says when the certificates end, as their files and the brokers have it', async () => {
    await clientWith({ sasl: scram }).ping(30_000);
    const ends = certificateEnds({ ssl });
    expect(Object.keys(ends).sort()).toEqual(['kafka-broker', 'kafka-ca', 'kafka-client']);
    const inDays = (ms: number): number => Math.round((ms - Date.now()) / 86_400_000);
    expect([ends['kafka-ca'], ends['kafka-client'], ends['kafka-broker']].map((ms) => inDays(ms!))).toEqual([2, 1, 1]);
  });

  // docs/runbooks/alerts.md, "A certificate ends"; the last one here, since the broker is another one afterwards.
  test('an authority is changed step by step, and in each step services of before and after it get in', async () => {
    const old = new Authority(mkdtempSync(join(dir, 'old-')));
    const next = new Authority(mkdtempSync(join(dir, 'next-')));
    const [oldBroker, nextBroker] = [old.sign('broker'), next.sign('broker')];
    const [oldClient, nextClient] = [old.sign('client'), next.sign('client')];
    const broker = async (certificate: Signed, trusted: string) => {
      const entries = {
        'ssl.keystore.type': 'PEM',
        'ssl.keystore.certificate.chain': certificate.cert,
        'ssl.keystore.key': certificate.key,
        'ssl.truststore.type': 'PEM',
        'ssl.truststore.certificates': trusted,
      };
      const operator = new KafkaClient({ brokers: kafka.brokers.split(','), clientId: 'operator', topicPrefix: '' });
      open.push(operator);
      await operator.withAdmin((admin) =>
        admin.alterConfigs({
          validateOnly: false,
          resources: [
            {
              type: 4, // a broker
              name: '1',
              configEntries: Object.entries(entries).map(([name, value]) => ({
                name: `listener.name.guarded.${name}`,
                value,
              })),
            },
          ],
        }),
      );
    };
    const service = (ca: string, certificate: Signed) => ({ ssl: { ca, ...certificate }, sasl: scram });
    const both = old.cert + next.cert;
    const getsIn = async (config: Partial<KafkaConfig>): Promise<boolean> =>
      clientWith(config)
        .withAdmin((admin) => admin.listTopics(), { retries: 0 })
        .then(
          () => true,
          (error: unknown) => {
            if (error instanceof BrokerUnavailable) return false;
            throw error;
          },
        );
    /** The broker takes what it is told a moment later. */
    const becomes = (config: Partial<KafkaConfig>, expected: boolean) =>
      eventually(async () => (await getsIn(config)) === expected, { what: `gets in: ${expected}` });

    const before = service(old.cert, oldClient);
    await broker(oldBroker, old.cert);
    await becomes(before, true);
    // 1. The brokers believe both authorities.
    await broker(oldBroker, both);
    await becomes(service(old.cert, nextClient), true);
    expect(await getsIn(before)).toBe(true);
    // 2. So do the services, restarted with both in their file; the certificate of their own is still the old one.
    const meanwhile = service(both, oldClient);
    expect(await getsIn(meanwhile)).toBe(true);
    // 3. The brokers show the new certificate: whoever was not restarted before this is shut out.
    await broker(nextBroker, both);
    await becomes(before, false);
    expect(await getsIn(meanwhile)).toBe(true);
    // 4. Certificates of the services by the new authority, and the old authority out of their file.
    const after = service(next.cert, nextClient);
    expect(await getsIn(service(both, nextClient))).toBe(true);
    expect(await getsIn(after)).toBe(true);
    // 5. And out of the brokers'.
    await broker(nextBroker, next.cert);
    await becomes(meanwhile, false);
    expect(await getsIn(after)).toBe(true);
  });

  function otherAuthority(): string {
    const folder = join(dir, 'other');
    mkdirSync(folder, { recursive: true });
    return new Authority(folder).cert;
  }
});
