import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const SERVICES = ['portal', 'webhook-ingress', 'grants', 'token-verification', 'signals'] as const;
export type ServiceName = (typeof SERVICES)[number];

/** Which an installation may do without. */
export const isOptional = (service: ServiceName): boolean => service === 'signals';

/** Where an installation is, and the key that opens it. */
export interface Installation {
  urls: Partial<Record<ServiceName, string>>;
  apiKey: string | undefined;
}

const VARIABLES: Record<ServiceName, [variable: string, ofStack: string]> = {
  portal: ['RESCIND_PORTAL_URL', 'portal'],
  'webhook-ingress': ['RESCIND_WEBHOOK_INGRESS_URL', 'webhookIngress'],
  grants: ['RESCIND_GRANTS_URL', 'grants'],
  'token-verification': ['RESCIND_TOKEN_VERIFICATION_URL', 'tokenVerification'],
  signals: ['RESCIND_SIGNALS_URL', 'signals'],
};

/** By the environment; what it leaves out is that of `npm start` in this folder, if it runs. */
export function installationFrom(env: NodeJS.ProcessEnv, dir = process.cwd()): Installation {
  const named = Object.values(VARIABLES).some(([variable]) => env[variable]);
  // Never the key of one installation for the services of another one.
  const stack = named ? {} : stackFile(join(dir, env['RESCIND_LOCAL_DIR'] ?? '.local', 'stack.json'));
  const urls: Installation['urls'] = {};
  for (const [service, [variable, ofStack]] of Object.entries(VARIABLES) as [ServiceName, [string, string]][]) {
    const url = env[variable] || stack[ofStack];
    if (url) urls[service] = url.replace(/\/+$/, '');
  }
  return { urls, apiKey: env['RESCIND_API_KEY'] || stack['adminApiKey'] };
}

function stackFile(path: string): Record<string, string> {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>;
  } catch {
    return {};
  }
}

/** What ends a command before it has an answer. `code`: 1 the answer is no, 2 used wrongly, 3 it cannot be known. */
export class Ended extends Error {
  constructor(
    readonly code: 1 | 2 | 3,
    message: string,
  ) {
    super(message);
  }
}

export interface Answer {
  status: number;
  headers: Headers;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever the service says
  body: any;
}

const TIMEOUT_MS = 15_000;

/** One request, whatever the answer; throws {@link Ended} 3 where there is none. */
export async function ask(
  { urls, apiKey }: Installation,
  service: ServiceName,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer> {
  const base = urls[service];
  if (base === undefined) {
    throw new Ended(2, `Where is ${service}? Set ${VARIABLES[service][0]}, or run this where npm start runs.`);
  }
  let response: Response;
  try {
    response = await fetch(base + path, {
      method,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: 'error',
      headers: {
        ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (error) {
    const { cause, message } = error as Error & { cause?: { code?: string } };
    throw new Ended(3, `${service} does not answer at ${base} (${cause?.code ?? message}).`);
  }
  const text = await response.text();
  let parsed: unknown;
  try {
    parsed = text === '' ? undefined : JSON.parse(text);
  } catch {
    parsed = undefined;
  }
  return { status: response.status, headers: response.headers, body: parsed };
}

/** One request that has to succeed: its body. Throws {@link Ended} with what the service says. */
export async function get(
  installation: Installation,
  service: ServiceName,
  path: string,
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever the service says
): Promise<any> {
  return expectGood(service, await ask(installation, service, 'GET', path));
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever the service says
export function expectGood(service: ServiceName, { status, body }: Answer): any {
  if (status < 300) return body;
  const errors = Array.isArray(body?.errors) ? (body.errors as { field: string; message: string }[]) : [];
  const fields = errors.map(({ field, message }) => `\n  ${field === '' ? 'all of it' : field}: ${message}`).join('');
  const said = `${service}: ${body?.code ?? status}${body?.detail ? `. ${body.detail}` : ''}${fields}`;
  if (status === 400) throw new Ended(2, said);
  if (status === 401) throw new Ended(2, `${said} Set RESCIND_API_KEY.`);
  throw new Ended(status >= 500 || status === 429 ? 3 : 1, said);
}
