import type { Problem } from './types.js';

/** A refusal of the portal or of a service behind it (RFC 9457), or that nobody answered (status 0). */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly code: string;
  /** What to do about it, for a person. */
  readonly sentence: string;
  constructor(
    readonly status: number,
    readonly problem: Partial<Problem>,
  ) {
    super(problem.code ?? `status_${status}`);
    this.code = problem.code ?? `status_${status}`;
    this.sentence = sentenceOf(status, problem);
  }

  /** The sentence for one field of a form, such as `issuers.0`; of all fields that begin with it. */
  field(name: string): string | undefined {
    return this.problem.errors?.find(({ field }) => field === name || field.startsWith(`${name}.`))?.message;
  }
}

function sentenceOf(status: number, { code, detail, title, errors }: Partial<Problem>): string {
  if (status === 0) return 'The portal does not answer. Is the network there? It is asked again by itself.';
  if (code === 'request_invalid' && errors?.length) {
    return errors.map(({ field, message }) => (field ? `${field}: ${message}` : message)).join('; ');
  }
  if (status === 403 && !detail) return 'Your role does not allow this.';
  return detail ?? title ?? `The answer was ${status}.`;
}

/** An endpoint that this installation does not have (yet). Not the same as a thing that is not there. */
export const isAbsent = (error: unknown): boolean =>
  error instanceof ApiProblem && error.status === 404 && error.code === 'not_found';

export const sentence = (error: unknown): string =>
  error instanceof ApiProblem ? error.sentence : 'Something went wrong in the page itself. Load it again.';

let csrfToken = '';
/** From `GET /auth/session`; every request that changes something carries it. */
export const setCsrfToken = (token: string): void => void (csrfToken = token);

const LONGEST_MS = 30_000;

/** Throws {@link ApiProblem}. @param body sent as JSON */
export async function api<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const limits = [AbortSignal.timeout(LONGEST_MS), ...(signal ? [signal] : [])];
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(path, {
      method,
      signal: AbortSignal.any(limits),
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(method === 'GET' ? {} : { 'x-csrf-token': csrfToken }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    text = await answer.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiProblem(0, { code: 'unreachable' });
  }
  const content = parsed(text);
  if (answer.ok) return content as T;
  throw new ApiProblem(answer.status, (content ?? {}) as Partial<Problem>);
}

function parsed(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export type Params = Record<string, string | number | undefined>;

/** A path with the parameters that have a value. */
export function withParams(path: string, params: Params): string {
  const given = Object.entries(params).filter(([, value]) => value !== undefined && value !== '');
  if (given.length === 0) return path;
  return `${path}?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

/** The services behind the portal. */
export const GRANTS = '/api/grants/v1';
export const VERIFICATION = '/api/token-verification/v1';
/** The portal's own. */
export const PORTAL = '/v1';
