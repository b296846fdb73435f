import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { z } from 'zod';
import { shapeOf } from '#platform/config.js';

/** A service, by the variables of its environment that it reads. */
export interface SettingsOf {
  service: string;
  schema: z.ZodType;
}

export interface Setting {
  name: string;
  isRequired: boolean;
  /** As it would be written in the environment; empty where there is none. */
  byDefault: string;
  says: string;
}

/** How the chart gives a setting, other than by `services.<service>.env`. */
type Given = { value: string } | { secret: string } | { never: string };

const value = (path: string): Given => ({ value: path });
/** A key of the Secret that `secret.name` names. */
const secret = (key: string): Given => ({ secret: `secret.keys.${key}` });
const never = (why: string): Given => ({ never: why });

/**
 * What does not come by `services.<service>.env`: it has a value of its own, stands in a Secret, or is not to be set at all. Whatever
 * is not named here can be set there, and nothing else: Helm refuses it by the schema of the values.
 */
export const CHART: Readonly<Record<string, Given>> = {
  HOST: never('the chart: all addresses of the pod'),
  PORT: never('the chart: 8080, where the probes ask'),
  LOG_LEVEL: value('logLevel'),
  TRUSTED_PROXIES: value('trustedProxies'),
  OTEL_EXPORTER_OTLP_ENDPOINT: value('tracing.endpoint'),
  OTEL_EXPORTER_OTLP_HEADERS: secret('tracingHeaders'),
  OTEL_TRACES_SAMPLER_ARG: value('tracing.sampleRatio'),
  KAFKA_BROKERS: value('kafka.brokers'),
  KAFKA_TOPIC_PREFIX: value('kafka.topicPrefix'),
  KAFKA_PARTITIONS: value('kafka.partitions'),
  KAFKA_REPLICATION_FACTOR: value('kafka.replicationFactor'),
  KAFKA_MIN_INSYNC_REPLICAS: value('kafka.minInsyncReplicas'),
  KAFKA_TOPIC_PROBLEMS: value('kafka.topicProblems'),
  KAFKA_SSL: value('kafka.tls.enabled'),
  KAFKA_SSL_CA_FILE: value('kafka.tls.secretName'),
  KAFKA_SSL_CERT_FILE: value('kafka.tls.clientCertificate'),
  KAFKA_SSL_KEY_FILE: value('kafka.tls.clientCertificate'),
  KAFKA_SASL_MECHANISM: value('kafka.sasl.mechanism'),
  KAFKA_SASL_USERNAME: value('kafka.sasl.secretName'),
  KAFKA_SASL_PASSWORD: value('kafka.sasl.secretName'),
  KAFKA_SASL_TOKEN_ENDPOINT: value('kafka.sasl.tokenEndpoint'),
  KAFKA_SASL_SCOPE: value('kafka.sasl.scope'),
  KAFKA_SASL_EXTENSIONS: value('kafka.sasl.extensions'),
  DATABASE_URL: secret('databaseUrl'),
  MIGRATION_DATABASE_URL: secret('migrationDatabaseUrl'),
  DATABASE_EXCESS_RIGHTS: value('postgres.excessRights'),
  RESCIND_API_KEYS: secret('apiKeys'),
  RESCIND_ENCRYPTION_KEYS: secret('encryptionKeys'),
  RESCIND_INTROSPECTION_CLIENTS: secret('introspectionClients'),
  RESCIND_INTROSPECTION_SIGNING_KEY: secret('introspectionSigningKey'),
  RESCIND_INTROSPECTION_ISSUER: value('tokenVerification.introspectionIssuer'),
  RESCIND_ALLOW_LOCAL_HOSTS: never('nobody: it is for development'),
  WEBHOOK_SOURCES: value('webhookIngress.sources'),
  WEBHOOK_BASE_URL: value('portal.webhookBaseUrl'),
  PUBLIC_URL: value('portal.publicUrl'),
  RESCIND_PROVIDERS_FILE: value('portal.providersFile.configMapName'),
  CONSOLE_DIR: never('the image, which has the console in it'),
  SIGNALS_ISSUER: value('signals.issuer'),
  GRANTS_URL: never('the chart: the service beside it'),
  TOKEN_VERIFICATION_URL: never('the chart: the service beside it'),
  SIGNALS_URL: never('the chart: the service beside it'),
  WEBHOOK_INGRESS_URL: never('the chart: the service beside it'),
  GRANTS_API_KEY: secret('portalApiKey'),
  TOKEN_VERIFICATION_API_KEY: secret('portalApiKey'),
  SIGNALS_API_KEY: secret('portalApiKey'),
};

/** Where settings are written down: what a service says of its own comes before what a library says of it. */
const LIBRARIES = [
  'libs/platform/src/config.ts',
  'libs/platform/src/database.ts',
  'libs/platform/src/request-limits.ts',
  'libs/kafka/src/settings.ts',
  'libs/kafka/src/topic-settings.ts',
];

/** Every setting of a service, with what its source says of it. Throws where the source says nothing. */
export async function settingsOf(root: string, { service, schema }: SettingsOf): Promise<Setting[]> {
  const said = new Map<string, string>();
  for (const file of [`apps/${service}/src/config.ts`, ...LIBRARIES]) {
    const source = await readFile(join(root, file), 'utf8');
    for (const [, comment, name] of source.matchAll(/(?:\/\*\*((?:(?!\*\/)[^])*)\*\/\s*)?^ +([A-Z][A-Z0-9_]+):/gm)) {
      if (comment !== undefined && !said.has(name!)) said.set(name!, plain(comment));
    }
  }
  return Object.entries(shapeOf(schema)).map(([name, field]) => {
    const says = said.get(name);
    if (says === undefined)
      throw new Error(`${name} of ${service}: say above it in its config.ts what it is, in /** … */`);
    const left = field.safeParse(undefined);
    return { name, isRequired: !left.success, byDefault: left.success ? textOf(left.data) : '', says };
  });
}

const plain = (comment: string): string =>
  comment
    .replace(/^\s*\*/gm, '')
    .replace(/\{@link ([^}]+)\}/g, '$1')
    .replace(/\s+/g, ' ')
    .trim();

function textOf(given: unknown): string {
  if (given === undefined || (Array.isArray(given) && given.length === 0)) return '';
  return String(given).replace(tmpdir(), '/tmp');
}

const HEAD = `# Settings

Every variable of the environment that a service reads; \`npm run api\` writes this page from the services' own schemas. All problems are said
at once at the start, and the service ends with 78. A variable that is empty counts as one that is not set. In place of any of them
\`<NAME>_FILE\` may name a file that holds its value, which is how secrets are kept out of the environment (\`secret.asFiles\` of the chart);
but not of \`OTEL_EXPORTER_OTLP_HEADERS\`, which a library reads itself.

In the chart what has no value of its own is set by \`services.<service>.env\`; Helm refuses what the service does not read. In short: **V** a
value of the chart, **S** a key of a Secret, **–** not to be set there.
`;

/** docs/settings.md */
export function settingsPage(all: ReadonlyMap<string, readonly Setting[]>): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  const chartOf = (name: string): string => {
    const given = CHART[name];
    if (!given) return '`env`';
    if ('value' in given) return `V \`${given.value}\``;
    return 'secret' in given ? `S \`${given.secret}\`` : `– ${given.never}`;
  };
  const parts = [...all].map(([service, settings]) => {
    const rows = settings.map(
      ({ name, isRequired, byDefault, says }) =>
        `| \`${name}\` | ${isRequired ? '**required**' : byDefault === '' ? '' : `\`${cell(byDefault)}\``} | ${cell(says)} | ${chartOf(name)} |`,
    );
    return [
      `## ${service}`,
      '',
      '| Setting | Default | What it is | Chart |',
      '| --- | --- | --- | --- |',
      ...rows,
    ].join('\n');
  });
  return `${HEAD}\n${parts.join('\n\n')}\n`;
}

/** For what libraries read themselves. */
const NOT_OURS = '^(NODE_OPTIONS|UV_THREADPOOL_SIZE|TZ|OTEL_EXPORTER_OTLP_(TIMEOUT|COMPRESSION))$';

interface ValuesSchema {
  definitions: Record<string, unknown>;
  properties: Record<string, { properties?: Record<string, unknown> }>;
}

/** The schema of the chart's values, with what `services.<service>.env` takes as the services are now. */
export function valuesSchema(text: string, all: ReadonlyMap<string, readonly Setting[]>): string {
  const schema = JSON.parse(text) as ValuesSchema;
  for (const [service, settings] of all) {
    const open = settings.filter(({ name }) => CHART[name] === undefined);
    schema.definitions[`env-of-${service}`] = {
      type: 'object',
      additionalProperties: false,
      patternProperties: { [NOT_OURS]: { type: 'string' } },
      properties: Object.fromEntries(open.map(({ name, says }) => [name, { type: 'string', description: says }])),
    };
    schema.properties['services']!.properties![service] = {
      allOf: [{ $ref: '#/definitions/service' }, { properties: { env: { $ref: `#/definitions/env-of-${service}` } } }],
    };
  }
  return JSON.stringify(schema, null, 2);
}
