import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { eventually } from '#testing/eventually.js';
import { freePort } from '#testing/free-port.js';
import type { StackFile } from '#testing/stack-file.js';
import { Service } from '../../tools/stack/src/service.js';
import { defineServices } from '../../tools/stack/src/services.js';
import { readSettings } from '../../tools/stack/src/settings.js';
import type { TestStack } from '../journey/stack.js';

export const SERVICES = ['portal', 'webhookIngress', 'grants', 'tokenVerification', 'signals'] as const;
export type ServiceName = (typeof SERVICES)[number];

export interface Replica {
  name: ServiceName;
  url: string;
  /** Resolves once it is ready. */
  start(): Promise<void>;
  /** SIGTERM; resolves with how long the process took to end, ms. */
  stop(): Promise<number>;
}

/** A process of a running stack, which starts it again by itself. */
export function ofStack(name: ServiceName, stack: StackFile, running: TestStack): Replica {
  const url = stack[name];
  let ended: number | undefined;
  return {
    name,
    url,
    start: () =>
      eventually(async () => {
        const pid = (await running.read())?.pids[name];
        return pid !== undefined && pid !== ended && (await fetch(`${url}/health/ready`)).status === 200;
      }).then(() => undefined),
    stop: async () => {
      const pid = (ended = (await running.read())!.pids[name]!);
      const startedAt = performance.now();
      process.kill(pid, 'SIGTERM');
      await eventually(() => !isThere(pid));
      return performance.now() - startedAt;
    },
  };
}

/**
 * One more process of each service, not started yet, of which the stack knows nothing.
 * @param more variables beside those of the stack
 */
export async function moreReplicas(
  name: string,
  stack: StackFile,
  running: TestStack,
  root: string,
  more: Readonly<Record<string, string>> = {},
): Promise<Replica[]> {
  const settings = await readSettings(join(running.dir, 'settings.json'));
  const ports = {
    portal: await freePort(),
    webhookIngress: await freePort(),
    grants: await freePort(),
    tokenVerification: await freePort(),
    signals: await freePort(),
    sandbox: 0,
  };
  const { kafkaBrokers, databaseUrl } = stack;
  const definitions = defineServices({ root, settings, ports, kafkaBrokers, databaseUrl });
  return definitions.map((definition) => {
    const service = new Service(
      { ...definition, env: { ...definition.env, ...more } },
      join(running.dir, 'logs', name),
    );
    return {
      name: definition.name as ServiceName,
      url: definition.url,
      start: async () => {
        await service.start();
        await service.ready();
      },
      stop: async () => {
        const startedAt = performance.now();
        await service.stop();
        return performance.now() - startedAt;
      },
    };
  });
}

/**
 * A Service of Kubernetes, as far as clients see one: requests go in turn to the endpoints that are there, over connections
 * that are kept. Once an endpoint is removed nothing new goes to it; what is under way ends, and its connections close.
 */
export class ModelService {
  private readonly endpoints = new Map<string, Agent>();
  private turn = 0;

  add(url: string): void {
    this.endpoints.set(url, new Agent({ keepAlive: true }));
  }

  remove(url: string): void {
    const agent = this.endpoints.get(url);
    this.endpoints.delete(url);
    if (!agent) return;
    agent.maxFreeSockets = 0;
    for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }

  /** The status of the answer. Rejects where there was none. */
  async send(method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<number> {
    const all = [...this.endpoints];
    const [url, agent] = all[this.turn++ % all.length]!;
    return new Promise((resolve, reject) => {
      const sent = request(url + path, { method, headers, agent }, (answer) => {
        answer.resume();
        answer.once('end', () => resolve(answer.statusCode!));
        answer.once('error', reject);
      });
      sent.once('error', reject);
      sent.end(body);
    });
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
