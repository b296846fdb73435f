import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** What is wrong with the environment, all of it at once; the message is for the person who starts the service. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly problems: readonly string[]) {
    super(`The settings are not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  }
}

/** Reads all settings from the environment. Throws {@link ConfigError} naming every problem, never a value. */
export function loadConfig<T>(schema: z.ZodType<T>, env: NodeJS.ProcessEnv): T {
  // An empty variable is one that was not set: that is how charts and compose files leave a setting out.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const ofFiles = readFiles(Object.keys(shapeOf(schema)), given);
  if (ofFiles.length > 0) throw new ConfigError(ofFiles);
  const parsed = schema.safeParse(given, { reportInput: false });
  if (parsed.success) return parsed.data;
  throw new ConfigError(
    parsed.error.issues.map((issue) => {
      const name = issue.path.join('.') || 'settings';
      return given[String(issue.path[0])] === undefined
        ? `${name} is not set (${issue.message})`
        : `${name}: ${issue.message}`;
    }),
  );
}

/** The variables that a service reads: its settings are an object, then refined and transformed. */
export function shapeOf(schema: z.ZodType): Record<string, z.ZodType> {
  let inner = schema as unknown as { shape?: Record<string, z.ZodType>; def: { in?: unknown } };
  while (inner.shape === undefined && inner.def.in !== undefined) inner = inner.def.in as typeof inner;
  return inner.shape ?? {};
}

/**
 * `<NAME>_FILE` in place of a setting names a file that holds its value: so are secrets mounted that are to be in no environment.
 * Adds to `given` what the files hold; answers what is wrong with them.
 */
function readFiles(names: readonly string[], given: Record<string, string | undefined>): string[] {
  return names.flatMap((name) => {
    const path = given[`${name}_FILE`];
    if (path === undefined) return [];
    if (given[name] !== undefined) return [`${name} and ${name}_FILE are both set`];
    try {
      // Editors and `echo` end a file with a line break; no setting does.
      given[name] = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
      return given[name] === '' ? [`${name}_FILE: the file is empty`] : [];
    } catch (error) {
      return [`${name}_FILE: cannot be read (${(error as NodeJS.ErrnoException).code})`];
    }
  });
}

/** Comma-separated text as a list without blanks. */
export const commaList = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

export const flag = z.enum(['true', 'false']).transform((text) => text === 'true');

/** `name:value` pairs, comma-separated; the value may itself hold colons. */
export const namedSecrets = commaList.transform((items, context) =>
  items.map((item) => {
    const colon = item.indexOf(':');
    if (colon < 1 || colon === item.length - 1) {
      context.addIssue({ code: 'custom', message: 'must be name:value, comma-separated' });
      return z.NEVER;
    }
    return { name: item.slice(0, colon), secret: item.slice(colon + 1) };
  }),
);
export type NamedSecret = z.infer<typeof namedSecrets>[number];

/** What every service reads. Spread it into the service's own `z.object`. */
export const serviceSettings = {
  /** Address that it listens on. */
  HOST: z.string().default('0.0.0.0'),
  /** Port that it listens on; 0: any that is free. */
  PORT: z.coerce.number().int().min(0).max(65_535),
  /** The least that is logged. */
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  /** How long in-flight work may take to end after SIGTERM, ms. */
  SHUTDOWN_TIMEOUT_MS: z.coerce.number().int().positive().default(8_000),
  /** Where traces are sent (OTLP over HTTP, `/v1/traces` below it); not set: there are none. See tracing.ts. */
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  /** `name=value,…`; the exporter reads them itself. */
  OTEL_EXPORTER_OTLP_HEADERS: z.string().optional(),
  /** The share of the events that are traced. */
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(1),
};
export type ServiceSettings = { [Key in keyof typeof serviceSettings]: z.output<(typeof serviceSettings)[Key]> };

export const serviceFrom = (env: Pick<ServiceSettings, 'HOST' | 'PORT' | 'LOG_LEVEL' | 'SHUTDOWN_TIMEOUT_MS'>) => ({
  host: env.HOST,
  port: env.PORT,
  logLevel: env.LOG_LEVEL,
  shutdownTimeoutMs: env.SHUTDOWN_TIMEOUT_MS,
});

const isOrigin = (text: string): boolean => /^https?:/.test(text) && URL.parse(text)?.origin === text;
/** The URL that others have for a service, where it stands as an issuer: without a path, exactly as it is compared. */
export const origin = z.string().refine(isOrigin, 'must be a URL without path, as https://rescind.example.com');
