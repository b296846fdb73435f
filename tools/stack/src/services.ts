import { join } from 'node:path';
import type { Settings } from './settings.js';
import { nextFreePort } from './ports.js';
import type { ServiceDefinition } from './supervised.js';

/** The ports that are tried first, by the names of stack.json. */
const DEFAULT_PORTS = {
  portal: 3000,
  webhookIngress: 3001,
  grants: 3002,
  tokenVerification: 3003,
  sandbox: 3010,
} as const;
export type ServiceName = keyof typeof DEFAULT_PORTS;
export const SERVICE_NAMES = Object.keys(DEFAULT_PORTS) as ServiceName[];

const ENTRY: Record<ServiceName, string> = {
  portal: 'apps/portal/src/main.js',
  webhookIngress: 'apps/webhook-ingress/src/main.js',
  grants: 'apps/grants/src/main.js',
  tokenVerification: 'apps/token-verification/src/main.js',
  sandbox: 'tools/workos-sandbox/src/main.js',
};

/** The port of the last start where it is free, else the default one, else the next free one. */
export async function choosePorts(kept: Record<string, number>): Promise<Record<ServiceName, number>> {
  const taken = new Set<number>();
  const chosen: Partial<Record<ServiceName, number>> = {};
  for (const name of SERVICE_NAMES) {
    const port = await nextFreePort(kept[name] ?? DEFAULT_PORTS[name], taken);
    taken.add(port);
    chosen[name] = port;
  }
  return chosen as Record<ServiceName, number>;
}

export interface Surroundings {
  root: string;
  dir: string;
  kafkaBrokers: string;
  databaseUrl: string;
  settings: Settings;
  ports: Record<ServiceName, number>;
}

export const urlOf = (port: number): string => `http://127.0.0.1:${port}`;

/** Each process of the stack and its settings, as a deployment would give them. */
export function defineServices({
  root,
  dir,
  kafkaBrokers,
  databaseUrl,
  settings,
  ports,
}: Surroundings): ServiceDefinition[] {
  const common = {
    HOST: '127.0.0.1',
    LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'info',
    KAFKA_BROKERS: kafkaBrokers,
    KAFKA_PARTITIONS: '3',
    KAFKA_REPLICATION_FACTOR: '1',
    RESCIND_API_KEYS: `admin:${settings.adminApiKey}`,
    RESCIND_ENCRYPTION_KEYS: `k1:${settings.encryptionKey}`,
    /** Development only: the sandbox's issuer is a loopback address. */
    RESCIND_ALLOW_LOCAL_HOSTS: 'true',
  };
  const own: Record<ServiceName, Record<string, string>> = {
    portal: {
      ...common,
      DATABASE_URL: databaseUrl,
      WEBHOOK_BASE_URL: urlOf(ports.webhookIngress),
      PUBLIC_URL: urlOf(ports.portal),
      GRANTS_URL: urlOf(ports.grants),
      GRANTS_API_KEY: settings.adminApiKey,
      TOKEN_VERIFICATION_URL: urlOf(ports.tokenVerification),
      TOKEN_VERIFICATION_API_KEY: settings.adminApiKey,
      WEBHOOK_INGRESS_URL: urlOf(ports.webhookIngress),
      ...(process.env['RESCIND_PROVIDERS_FILE']
        ? { RESCIND_PROVIDERS_FILE: process.env['RESCIND_PROVIDERS_FILE'] }
        : {}),
    },
    webhookIngress: common,
    grants: { ...common, DATABASE_URL: databaseUrl },
    tokenVerification: {
      ...common,
      RESCIND_INTROSPECTION_CLIENTS: `local:${settings.introspectionSecret}`,
      KEYS_DIR: join(dir, 'data', 'keys'),
    },
    sandbox: { WORKOS_API_KEY: settings.sandboxApiKey, WORKOS_CLIENT_ID: settings.sandboxClientId },
  };
  return SERVICE_NAMES.map((name) => ({
    name,
    entry: join(root, 'dist', ENTRY[name]),
    env: { ...own[name], PORT: String(ports[name]) },
    url: urlOf(ports[name]),
  }));
}
