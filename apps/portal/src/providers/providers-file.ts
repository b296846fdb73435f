import { type Document, parseDocument } from 'yaml';
import { z } from 'zod';
import { ConfigError } from '#platform/config.js';
import { newProvider, type NewProvider } from './provider-settings.js';
import { readPastedSecret } from './webhook-secret.js';

/** A provider as the providers file has it. */
export interface DeclaredProvider {
  id: string;
  given: Omit<NewProvider, 'api_key' | 'confirm_claim_mappings'>;
  apiKey: string | null;
  webhook: { token: string; secrets: string[] } | null;
}

const signingSecret = z.string().transform((pasted, context) => {
  try {
    return readPastedSecret(pasted);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as { detail?: string }).detail ?? 'is no signing secret' });
    return z.NEVER;
  }
});

const declaredProvider = z.strictObject({
  /** Chosen by whoever writes the file, and never to be changed: everything that is known of its people hangs on it. */
  id: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'must be lower-case letters, digits, - and _, at most 63'),
  ...newProvider.omit({ confirm_claim_mappings: true }).shape,
  webhook: z
    .strictObject({
      /** The last part of the endpoint's URL: who knows it may knock, so it is as long as a key. */
      token: z.string().regex(/^[\w-]{32,200}$/, 'must be 32 to 200 letters, digits, - and _ (openssl rand -hex 32)'),
      secrets: z.array(signingSecret).max(4),
    })
    .optional(),
});

const providersFile = z.strictObject({ providers: z.array(declaredProvider).nullish() });

/**
 * Reads the providers file: YAML, `${NAME}` in any text stands for an environment variable. Throws {@link ConfigError} with
 * every problem and the path of it, and never with a value.
 */
export function readProvidersFile(text: string, env: NodeJS.ProcessEnv): DeclaredProvider[] {
  const document = parseDocument(text, { prettyErrors: true });
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.map(({ code, linePos }) => `providers file, line ${linePos?.[0].line ?? '?'}: ${code}`),
    );
  }
  const problems: string[] = [];
  const content = substitute(plainContent(document) ?? {}, env, [], problems);
  const parsed = providersFile.safeParse(content, { reportInput: false });
  if (!parsed.success) {
    for (const { path, message } of parsed.error.issues) problems.push(`${pathText(path)}: ${message}`);
  }
  const providers = parsed.data?.providers ?? [];
  for (const [what, of] of [
    ['id', (provider: (typeof providers)[number]) => provider.id],
    ['webhook.token', (provider: (typeof providers)[number]) => provider.webhook?.token],
  ] as const) {
    const seen = new Set<string>();
    providers.forEach((provider, place) => {
      const value = of(provider);
      if (value !== undefined && seen.has(value)) problems.push(`providers[${place}].${what}: is there twice`);
      if (value !== undefined) seen.add(value);
    });
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return providers.map(({ id, api_key, webhook, ...given }) => ({
    id,
    given,
    apiKey: api_key ?? null,
    webhook: webhook ?? null,
  }));
}

/** Throws where references multiply beyond measure. */
function plainContent(document: Document): unknown {
  try {
    return document.toJS();
  } catch {
    throw new ConfigError(['providers file: its references cannot be resolved']);
  }
}

/** `${NAME}`, or `$${NAME}` for the text itself. */
function substitute(value: unknown, env: NodeJS.ProcessEnv, path: PropertyKey[], problems: string[]): unknown {
  if (Array.isArray(value)) return value.map((item, place) => substitute(item, env, [...path, place], problems));
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, substitute(item, env, [...path, key], problems)]),
    );
  }
  if (typeof value !== 'string') return value;
  return value.replace(/(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (all, escaped: string, name: string) => {
    if (escaped !== '') return all.slice(1);
    const found = env[name];
    if (found === undefined || found === '') problems.push(`${pathText(path)}: the variable ${name} is not set`);
    return found ?? `\${${name}}`;
  });
}

const pathText = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : `${text}${text === '' ? '' : '.'}${String(part)}`),
    '',
  ) || 'the file';
