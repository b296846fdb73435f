import { CannotRun } from '#testing/cannot-run.js';
import { join } from 'node:path';
import type { ServiceDefinition } from './service.js';
import type { Settings } from './settings.js';

/** The ports that are tried first, by the names of stack.json. */
export const DEFAULT_PORTS = {
  portal: 3000,
  webhookIngress: 3001,
  grants: 3002,
  tokenVerification: 3003,
  signals: 3004,
  sandbox: 3010,
};
export type ServiceName = keyof typeof DEFAULT_PORTS;

/** So that there is room behind it. */
const LAST_FIRST_PORT = 65_000;

/** `RESCIND_FIRST_PORT` moves them, so that stacks that start at the same moment do not reach for the same ones. */
export function wantedPorts(firstPort = process.env['RESCIND_FIRST_PORT']): Record<ServiceName, number> {
  const first = firstPort === undefined ? DEFAULT_PORTS.portal : Number(firstPort);
  if (!Number.isInteger(first) || first < 1 || first > LAST_FIRST_PORT) {
    throw new CannotRun(`RESCIND_FIRST_PORT is a number up to ${LAST_FIRST_PORT}, such as 3000.`);
  }
  const by = first - DEFAULT_PORTS.portal;
  const moved = Object.entries(DEFAULT_PORTS).map(([name, port]) => [name, port + by]);
  return Object.fromEntries(moved) as Record<ServiceName, number>;
}

const ENTRY: Record<ServiceName, string> = {
  portal: 'apps/portal/src/main.js',
  webhookIngress: 'apps/webhook-ingress/src/main.js',
  grants: 'apps/grants/src/main.js',
  tokenVerification: 'apps/token-verification/src/main.js',
  signals: 'apps/signals/src/main.js',
  sandbox: 'tools/workos-sandbox/src/main.js',
};

export interface Surroundings {
  root: string;
  settings: Settings;
  ports: Record<ServiceName, number>;
}

const urlOf = (port: number): string => `http://127.0.0.1:${port}`;

export function urlsOf(ports: Record<ServiceName, number>): Record<ServiceName, string> {
  const urls = Object.entries(ports).map(([name, port]) => [name, urlOf(port)]);
  return Object.fromEntries(urls) as Record<ServiceName, string>;
}

export function defineSandbox(surroundings: Surroundings): ServiceDefinition {
  const { sandboxApiKey, sandboxClientId } = surroundings.settings;
  return define('sandbox', surroundings, { WORKOS_API_KEY: sandboxApiKey, WORKOS_CLIENT_ID: sandboxClientId });
}

/** Each service and its settings, as a deployment would give them. */
export function defineServices(
  surroundings: Surroundings & { kafkaBrokers: string; databaseUrl: string; brokers?: 1 | 3 },
): ServiceDefinition[] {
  const { kafkaBrokers, databaseUrl, settings, ports } = surroundings;
  const providersFile = process.env['RESCIND_PROVIDERS_FILE'];
  const common = {
    LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'info',
    KAFKA_BROKERS: kafkaBrokers,
    KAFKA_PARTITIONS: '3',
    ...(surroundings.brokers === 3 ? { KAFKA_REPLICATION_FACTOR: '3', KAFKA_MIN_INSYNC_REPLICAS: '2' } : {}),
    RESCIND_API_KEYS: `admin:${settings.adminApiKey},portal:${settings.portalApiKey}`,
    RESCIND_ENCRYPTION_KEYS: `k1:${settings.encryptionKey}`,
    /** Development only: the sandbox's issuer is a loopback address. */
    RESCIND_ALLOW_LOCAL_HOSTS: 'true',
    ...given('OTEL_EXPORTER_OTLP_ENDPOINT'),
    ...given('BAD_CREDENTIALS_PER_MINUTE'),
  };
  return [
    define('portal', surroundings, {
      ...common,
      DATABASE_URL: databaseUrl,
      WEBHOOK_BASE_URL: urlOf(ports.webhookIngress),
      PUBLIC_URL: urlOf(ports.portal),
      GRANTS_URL: urlOf(ports.grants),
      GRANTS_API_KEY: settings.portalApiKey,
      TOKEN_VERIFICATION_URL: urlOf(ports.tokenVerification),
      TOKEN_VERIFICATION_API_KEY: settings.portalApiKey,
      SIGNALS_URL: urlOf(ports.signals),
      SIGNALS_API_KEY: settings.portalApiKey,
      WEBHOOK_INGRESS_URL: urlOf(ports.webhookIngress),
      ...(providersFile ? { RESCIND_PROVIDERS_FILE: providersFile } : {}),
    }),
    define('webhookIngress', surroundings, common),
    define('grants', surroundings, {
      ...common,
      DATABASE_URL: databaseUrl,
      WEBHOOK_INGRESS_URL: urlOf(ports.webhookIngress),
      TOKEN_VERIFICATION_URL: urlOf(ports.tokenVerification),
      TOKEN_VERIFICATION_API_KEY: settings.adminApiKey,
      ...given('MARK_INLINE'),
      ...given('MARK_CHUNK'),
      ...given('DATABASE_TIMEOUT_MS'),
    }),
    define('tokenVerification', surroundings, {
      ...common,
      RESCIND_INTROSPECTION_CLIENTS: `local:${settings.introspectionSecret}`,
      ...given('MAX_STALENESS_MS'),
      ...given('RESCIND_INTROSPECTION_ISSUER'),
    }),
    define('signals', surroundings, {
      ...common,
      DATABASE_URL: databaseUrl,
      SIGNALS_ISSUER: urlOf(ports.signals),
      ...given('LONG_POLL_MS'),
    }),
  ];
}

/** A setting of ours that is handed on where it is set. */
const given = (name: string): Record<string, string> => {
  const value = process.env[name];
  return value === undefined ? {} : { [name]: value };
};

function define(name: ServiceName, { root, ports }: Surroundings, env: Record<string, string>): ServiceDefinition {
  return {
    name,
    entry: join(root, 'dist', ENTRY[name]),
    env: { HOST: '127.0.0.1', PORT: String(ports[name]), ...env },
    url: urlOf(ports[name]),
  };
}
