import { z } from 'zod';
import { checked } from '#contracts/checked.js';
import { Problem } from '#platform/problem.js';
import { CannotUnseal } from '#providers/sealing.js';
import {
  type FetchedAnswer,
  type FetchRefusal,
  FetchRefused,
  guardedFetch,
  type GuardedFetchOptions,
} from '#workos/guarded-fetch.js';
import { CAEP_SESSION_REVOKED, RISC_ACCOUNT_DISABLED, RISC_ACCOUNT_PURGED } from '../domain/event-types.js';
import { retryAfterHeaderMs } from '../domain/polling.js';
import { POLL, PUSH, text } from '../streams/ssf-views.js';
import { NoToken, type SourceAuthorization } from './source-authorization.js';
import { wellKnown } from './source-keys.js';

/** What a receiver should ask for (SSF 1.0, section 8.1.1): what it understands and acts on. */
export const EVENTS_REQUESTED = [CAEP_SESSION_REVOKED, RISC_ACCOUNT_PURGED, RISC_ACCOUNT_DISABLED];

const webUrl = z.url({ protocol: /^https?$/ }).max(2_000);

/** Transmitter configuration metadata (SSF 1.0, section 7.1), as far as a receiver needs it. */
const configuration = z.object({
  issuer: z.string(),
  spec_version: text(50).optional().catch(undefined),
  configuration_endpoint: webUrl.optional(),
  status_endpoint: webUrl.optional(),
  verification_endpoint: webUrl.optional(),
  delivery_methods_supported: z.array(z.string()).max(100).optional(),
  default_subjects: z.enum(['ALL', 'NONE']).optional().catch(undefined),
});

/** RFC 9728, section 2, and RFC 8414, section 2. */
const protectedResource = z.object({
  resource: z.string(),
  authorization_servers: z.array(webUrl).min(1).max(20),
  scopes_supported: z.array(text(200)).max(500).default([]),
});
const authorizationServer = z.object({ issuer: z.string(), token_endpoint: webUrl });

export type Method = 'push' | 'poll';
const METHODS: Record<Method, string> = { push: PUSH, poll: POLL };

/** What a transmitter says of itself, and what follows for a stream there. */
export interface FoundTransmitter {
  issuer: string;
  spec_version: string | null;
  /** Of ours, those that it can; both where it does not say. */
  delivery_methods: Method[];
  configuration_endpoint: string;
  status_endpoint: string | null;
  verification_endpoint: string | null;
  /** NONE: it tells of nobody until subjects are added to the stream. */
  default_subjects: 'ALL' | 'NONE' | null;
  /** Where tokens for it are given, and for what, where it says so (RFC 9728). */
  token_url: string | null;
  scope: string | null;
}

const made = z.object({
  stream_id: text(500),
  iss: z.string(),
  aud: z.union([text(500).transform((aud) => [aud]), z.array(text(500)).min(1).max(100)]),
  delivery: z.looseObject({ method: z.string(), endpoint_url: z.string().max(2_000).nullish() }),
  events_delivered: z.array(text(500)).max(1_000).nullish(),
  min_verification_interval: z.number().int().min(0).max(2_147_483_647).nullish(),
  description: z.string().nullish(),
});
/** A stream as its transmitter describes it (SSF 1.0, section 8.1.1). */
export type TransmittersStream = z.output<typeof made>;
const status = z.object({
  status: z.enum(['enabled', 'paused', 'disabled']),
  reason: z.string().nullish(),
});
type TransmittersStatus = z.output<typeof status>;

/** What a stream is to be: a push has where to and with which header; where it is polled, the transmitter says. */
export interface WantedStream {
  delivery: { method: string; endpoint_url?: string; authorization_header?: string };
  events_requested: readonly string[];
  description: string;
}

export const deliveryOf = (method: Method, push: { url: string; header: string }): WantedStream['delivery'] =>
  method === 'poll'
    ? { method: METHODS.poll }
    : { method: METHODS.push, endpoint_url: push.url, authorization_header: push.header };

type Options = Pick<GuardedFetchOptions, 'allowLocalHosts' | 'timeoutMs'>;

/** Reads what is at the well-known addresses of an issuer. Throws {@link Problem}s that say what to do. */
export async function findTransmitter(issuer: string, options: Options): Promise<FoundTransmitter> {
  const url = wellKnown(issuer, 'ssf-configuration');
  const answer = await reach(url, options);
  if (answer.status !== 200) {
    throw unsuitable(`${url} answered ${answer.status}: the issuer is what the claim iss of its SETs says.`);
  }
  const found = readAs(configuration, answer);
  if (!found) throw unsuitable(`What ${url} answered is no configuration of a transmitter (SSF 1.0, section 7.1).`);
  if (found.issuer !== issuer) {
    throw unsuitable(`It calls itself ${JSON.stringify(found.issuer.slice(0, 500))}: give the issuer just so.`);
  }
  if (found.configuration_endpoint === undefined) {
    throw unsuitable('It has no configuration_endpoint: make the stream there, and add the source by hand.');
  }
  const { delivery_methods_supported: methods } = found;
  return {
    issuer,
    spec_version: found.spec_version ?? null,
    delivery_methods: (['push', 'poll'] as const).filter((method) => methods?.includes(METHODS[method]) ?? true),
    configuration_endpoint: found.configuration_endpoint,
    status_endpoint: found.status_endpoint ?? null,
    verification_endpoint: found.verification_endpoint ?? null,
    default_subjects: found.default_subjects ?? null,
    ...(await findAuthorizationServer(issuer, options)),
  };
}

/** CAEP Interoperability Profile, section 2.7.2: scopes are found by RFC 9728, where there is that. Never throws for what is not there. */
async function findAuthorizationServer(
  issuer: string,
  options: Options,
): Promise<Pick<FoundTransmitter, 'token_url' | 'scope'>> {
  try {
    const resource = readAs(
      protectedResource,
      await guardedFetch(wellKnown(issuer, 'oauth-protected-resource'), options),
    );
    if (resource?.resource !== issuer) return { token_url: null, scope: null };
    const [server] = resource.authorization_servers;
    const found = readAs(
      authorizationServer,
      await guardedFetch(wellKnown(server!, 'oauth-authorization-server'), options),
    );
    if (found?.issuer !== server) return { token_url: null, scope: null };
    const scopes = resource.scopes_supported.filter((scope) => /^ssf\b/.test(scope));
    return { token_url: found!.token_endpoint, scope: scopes.length > 0 ? scopes.join(' ') : null };
  } catch (error) {
    if (error instanceof FetchRefused) return { token_url: null, scope: null };
    throw error;
  }
}

/** The management API of one transmitter (SSF 1.0, section 8), as a receiver asks it. Throws {@link Problem}s that say what to do. */
export class Transmitter {
  constructor(
    private readonly issuer: string,
    private readonly configurationEndpoint: string,
    private readonly authorization: Pick<SourceAuthorization, 'header' | 'forget'>,
    private readonly options: Options,
  ) {}

  /** Undefined: it allows one stream of us alone, and there is one (409). */
  async create(wanted: WantedStream): Promise<TransmittersStream | undefined> {
    const answer = await this.ask('POST', this.configurationEndpoint, wanted);
    if (answer.status === 409) return undefined;
    expected(answer, [200, 201], 'to make the stream');
    const stream = readAs(made, answer);
    if (stream) return stream;
    // Of what was made and cannot be used, nothing is to stay.
    const named = readAs(z.object({ stream_id: text(500) }), answer);
    if (named) await this.delete(named.stream_id).catch(() => undefined);
    throw notAsItShould('the stream');
  }

  /** All of ours there. */
  async list(): Promise<TransmittersStream[]> {
    const answer = expected(await this.ask('GET', this.configurationEndpoint), [200], 'to say which streams there are');
    const streams = readAs(z.array(z.unknown()).max(1_000), answer);
    if (!streams) throw notAsItShould('its streams');
    return streams.flatMap((stream) => checked(made, stream).data ?? []).filter(({ iss }) => iss === this.issuer);
  }

  /** Takes over one that is there. */
  async update(streamId: string, wanted: WantedStream): Promise<TransmittersStream> {
    const answer = await this.ask('PATCH', this.configurationEndpoint, { stream_id: streamId, ...wanted });
    if (answer.status === 202) {
      throw new Problem(
        502,
        'transmitter_failed',
        'It has not decided yet whether to change the stream: try again later.',
      );
    }
    const stream = readAs(made, expected(answer, [200], 'to change the stream'));
    if (!stream) throw notAsItShould('the stream');
    return stream;
  }

  /** One that is not there any more is deleted. */
  async delete(streamId: string): Promise<void> {
    const answer = await this.ask('DELETE', withStream(this.configurationEndpoint, streamId));
    if (answer.status !== 404) expected(answer, [200, 202, 204], 'to delete the stream');
  }

  async status(endpoint: string, streamId: string): Promise<TransmittersStatus> {
    const answer = expected(
      await this.ask('GET', withStream(endpoint, streamId)),
      [200],
      'to say how the stream stands',
    );
    const parsed = readAs(status, answer);
    if (!parsed) throw notAsItShould('the status of the stream');
    return parsed;
  }

  async verify(endpoint: string, streamId: string, state: string): Promise<void> {
    const answer = await this.ask('POST', endpoint, { stream_id: streamId, state });
    if (answer.status === 429) {
      const seconds = Math.ceil(retryAfterHeaderMs(answer.retryAfter, new Date()) / 1_000);
      throw new Problem(429, 'verification_too_often', 'It was asked a moment ago, and wants to be asked less often.', {
        ...(seconds > 0 ? { headers: { 'retry-after': String(seconds) } } : {}),
      });
    }
    expected(answer, [200, 202, 204], 'to verify the stream');
  }

  private async ask(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, body?: object): Promise<FetchedAnswer> {
    const answer = await this.askOnce(method, url, body);
    // A token may have been taken back before its time.
    if (answer.status !== 401) return answer;
    this.authorization.forget();
    return this.askOnce(method, url, body);
  }

  private async askOnce(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    url: string,
    body?: object,
  ): Promise<FetchedAnswer> {
    const signal = AbortSignal.timeout(this.options.timeoutMs ?? 10_000);
    const authorization = await this.authorization.header(signal).catch((error: unknown) => {
      throw problemOf(error);
    });
    return reach(url, {
      ...this.options,
      signal,
      send: {
        method,
        headers: { authorization, ...(body ? { 'content-type': 'application/json' } : {}) },
        ...(body ? { body: JSON.stringify(body) } : {}),
      },
    });
  }
}

function withStream(endpoint: string, streamId: string): string {
  const url = new URL(endpoint);
  url.searchParams.set('stream_id', streamId);
  return url.href;
}

async function reach(url: string, options: GuardedFetchOptions): Promise<FetchedAnswer> {
  try {
    return await guardedFetch(url, options);
  } catch (error) {
    throw problemOf(error);
  }
}

function readAs<T>(schema: z.ZodType<T>, { body }: FetchedAnswer): T | undefined {
  try {
    return checked(schema, JSON.parse(body.toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

const ABOUT_THE_URL: ReadonlySet<FetchRefusal> = new Set([
  'url_invalid',
  'scheme_not_allowed',
  'credentials_in_url',
  'host_disguised',
  'address_not_allowed',
]);

export const UNREACHED: Record<FetchRefusal, string> = {
  url_invalid: 'its URL is none',
  scheme_not_allowed: 'its URL is not https',
  credentials_in_url: 'its URL holds a user',
  host_disguised: 'its URL holds a disguised address',
  address_not_allowed: 'its name leads to an address that is not public',
  host_unknown: 'its name cannot be resolved',
  timeout: 'it did not answer in time',
  redirected: 'it answered with a redirect, which is not followed',
  too_large: 'its answer was too large',
  tls_failed: 'its certificate does not hold',
  unreachable: 'it cannot be reached',
};

function problemOf(error: unknown): unknown {
  if (error instanceof NoToken)
    return unauthorized(`${error.message}: look at token_url, client_id, client_secret and scope.`);
  if (error instanceof CannotUnseal) {
    return unauthorized('No key in RESCIND_ENCRYPTION_KEYS opens its secret: give the authorization anew.');
  }
  if (!(error instanceof FetchRefused)) return error;
  return ABOUT_THE_URL.has(error.code)
    ? new Problem(422, 'transmitter_not_allowed', `The transmitter is not asked: ${UNREACHED[error.code]}.`)
    : new Problem(502, 'transmitter_unreachable', `The transmitter could not be asked: ${UNREACHED[error.code]}.`);
}

const unsuitable = (detail: string): Problem => new Problem(422, 'transmitter_unsuitable', detail);
const unauthorized = (detail: string): Problem => new Problem(422, 'transmitter_authorization_refused', detail);
const notAsItShould = (what: string): Problem =>
  new Problem(502, 'transmitter_answer_invalid', `How it describes ${what} is not as SSF 1.0 says.`);

/** @param what it was asked, after "refuses" */
function expected(answer: FetchedAnswer, good: readonly number[], what: string): FetchedAnswer {
  const { status } = answer;
  if (good.includes(status)) return answer;
  if (status === 401) throw unauthorized('It does not take our authorization (401): give another one.');
  if (status === 403) throw unauthorized(`Our authorization is not enough ${what} (403): let it have more there.`);
  if (status === 404) throw new Problem(404, 'stream_unknown', 'The transmitter knows no such stream of ours (404).');
  throw new Problem(502, 'transmitter_failed', `It refuses ${what}: it answered ${status}.`);
}
