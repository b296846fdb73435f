import { z } from 'zod';

const flag = z.stringbool();
const count = z.coerce.number().int().nonnegative();

const environment = z.object({
  PORT: count.max(65_535).default(0),
  HOST: z.string().default('127.0.0.1'),
  PUBLIC_URL: z.url().optional(),
  WORKOS_API_KEY: z.string().min(1).default('sk_test_sandbox'),
  WORKOS_CLIENT_ID: z.string().min(1).default('client_01SANDBOX0000000000000000'),
  SANDBOX_TOKEN_AUDIENCE: z.string().optional(),
  SANDBOX_TOKEN_CLIENT_ID: flag.default(true),
  SANDBOX_TOKEN_TTL_SECONDS: count.default(300),
  SANDBOX_ISSUER_SHAPE: z.enum(['per_client', 'generic']).default('per_client'),
  SANDBOX_CASCADE: flag.default(true),
  SANDBOX_DEACTIVATION_EMITS_SESSION_REVOKED: flag.default(false),
  SANDBOX_REQUIRE_EMAIL_VERIFICATION: flag.default(false),
  SANDBOX_REDIRECT_URIS: z.string().optional(),
  SANDBOX_EVENTS_HOLD_BACK_MS: count.default(0),
  SANDBOX_DELIVERY_TIMEOUT_MS: count.default(5_000),
  SANDBOX_DELIVERY_TRIES: count.min(1).default(6),
  SANDBOX_DELIVERY_RETRY_BASE_MS: count.default(250),
  SANDBOX_DELIVERY_RESIGN: flag.default(true),
  SANDBOX_DELIVERY_CONCURRENCY: count.min(1).default(128),
});

export interface DeliveryOptions {
  /** How long an endpoint may take to answer, ms. */
  timeoutMs: number;
  /** Tries in all, the first included. */
  tries: number;
  /** Before the second try, ms; doubled before each one after. */
  retryBaseMs: number;
  /** Whether a retry is signed afresh, with its own time. */
  resign: boolean;
  /** How many are under way at once; 1 keeps them in order. */
  concurrency: number;
  /** How many deliveries the log keeps. */
  logSize: number;
}

export interface TokenOptions {
  /** The `aud` claim; null leaves it out, as WorkOS does by default. */
  audience: string | null;
  /** Whether `client_id` and `auth_time` are in the token. */
  clientId: boolean;
  ttlSeconds: number;
  /** `per_client`: `<base>/user_management/<client id>`; `generic`: `<base>`, as in older environments. */
  issuerShape: 'per_client' | 'generic';
  /** As a JWT template would add them; the reserved ones (iss sub exp iat nbf jti) stay as they are. */
  extraClaims: Record<string, unknown>;
}

export interface SandboxOptions {
  /** 0: any free port. */
  port: number;
  host: string;
  /** How others reach it, where that is not `http://<host>:<port>`. */
  publicUrl: string | null;
  apiKey: string;
  clientId: string;
  token: TokenOptions;
  /** Whether the end of a user or an organization is preceded by events for sessions and memberships. */
  cascade: boolean;
  /** Whether deactivating a membership also sends `session.revoked`; documented is `organization_membership.updated` alone. */
  deactivationEmitsSessionRevoked: boolean;
  requireEmailVerification: boolean;
  /** Where a sign-in may return to; null: anywhere. */
  redirectUris: string[] | null;
  /** The Events API holds the newest events back for this long, ms. */
  eventsHoldBackMs: number;
  sessionTtlMs: number;
  delivery: DeliveryOptions;
}

type DeepPartial<T> = {
  [K in keyof T]?: T[K] extends unknown[] | null ? T[K] : T[K] extends object ? Partial<T[K]> : T[K];
};
export type GivenOptions = DeepPartial<SandboxOptions>;

/** The settings of the process, from its environment; throws one error that names all that is wrong. */
export function optionsFromEnvironment(env: Record<string, string | undefined>): GivenOptions {
  const parsed = environment.safeParse(env);
  if (!parsed.success) throw new Error(`Settings: ${z.prettifyError(parsed.error)}`);
  const value = parsed.data;
  return {
    port: value.PORT,
    host: value.HOST,
    publicUrl: value.PUBLIC_URL ?? null,
    apiKey: value.WORKOS_API_KEY,
    clientId: value.WORKOS_CLIENT_ID,
    token: {
      ...(value.SANDBOX_TOKEN_AUDIENCE === undefined ? {} : { audience: value.SANDBOX_TOKEN_AUDIENCE || null }),
      clientId: value.SANDBOX_TOKEN_CLIENT_ID,
      ttlSeconds: value.SANDBOX_TOKEN_TTL_SECONDS,
      issuerShape: value.SANDBOX_ISSUER_SHAPE,
    },
    cascade: value.SANDBOX_CASCADE,
    deactivationEmitsSessionRevoked: value.SANDBOX_DEACTIVATION_EMITS_SESSION_REVOKED,
    requireEmailVerification: value.SANDBOX_REQUIRE_EMAIL_VERIFICATION,
    redirectUris: value.SANDBOX_REDIRECT_URIS ? value.SANDBOX_REDIRECT_URIS.split(',') : null,
    eventsHoldBackMs: value.SANDBOX_EVENTS_HOLD_BACK_MS,
    delivery: {
      timeoutMs: value.SANDBOX_DELIVERY_TIMEOUT_MS,
      tries: value.SANDBOX_DELIVERY_TRIES,
      retryBaseMs: value.SANDBOX_DELIVERY_RETRY_BASE_MS,
      resign: value.SANDBOX_DELIVERY_RESIGN,
      concurrency: value.SANDBOX_DELIVERY_CONCURRENCY,
    },
  };
}

/** What was given, over the defaults of the environment's table. */
export function completeOptions(given: GivenOptions): SandboxOptions {
  const clientId = given.clientId ?? 'client_01SANDBOX0000000000000000';
  return {
    port: given.port ?? 0,
    host: given.host ?? '127.0.0.1',
    publicUrl: given.publicUrl ?? null,
    apiKey: given.apiKey ?? 'sk_test_sandbox',
    clientId,
    token: {
      audience: clientId,
      clientId: true,
      ttlSeconds: 300,
      issuerShape: 'per_client',
      extraClaims: {},
      ...given.token,
    },
    cascade: given.cascade ?? true,
    deactivationEmitsSessionRevoked: given.deactivationEmitsSessionRevoked ?? false,
    requireEmailVerification: given.requireEmailVerification ?? false,
    redirectUris: given.redirectUris ?? null,
    eventsHoldBackMs: given.eventsHoldBackMs ?? 0,
    sessionTtlMs: given.sessionTtlMs ?? 30 * 86_400_000,
    delivery: {
      timeoutMs: 5_000,
      tries: 6,
      retryBaseMs: 250,
      resign: true,
      concurrency: 128,
      logSize: 20_000,
      ...given.delivery,
    },
  };
}
