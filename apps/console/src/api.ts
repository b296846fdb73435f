import type { Routes } from './api-types.js';
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

/** A service that this installation does not have. */
export const isNotInstalled = (error: unknown): error is ApiProblem =>
  error instanceof ApiProblem && error.status === 503 && error.code.endsWith('_not_configured');

/** An endpoint that this installation does not have (yet). Not the same as a thing that is not there. */
export const isAbsent = (error: unknown): boolean =>
  error instanceof ApiProblem && error.status === 404 && error.code === 'not_found';

export const sentence = (error: unknown): string =>
  error instanceof ApiProblem ? error.sentence : 'Something went wrong in the page itself. Load it again.';

let csrfToken = '';
/** From `GET /auth/session`; every request that changes something carries it. */
export const setCsrfToken = (token: string): void => void (csrfToken = token);

const LONGEST_MS = 30_000;

/** A method and a path, as the OpenAPI documents have them: `GET /api/grants/v1/users/{id}`. */
export type Route = keyof Routes;
export type Answer<R extends Route> = Routes[R]['answer'];

/** What a route is asked with: the parts of its path, its query, its body. */
export type Input<R extends Route> = PathOf<R> & QueryOf<R> & BodyOf<R>;
type PathOf<R extends Route> = [Names<R>] extends [never] ? { path?: never } : { path: Record<Names<R>, string> };
type Names<Path> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;
type QueryOf<R extends Route> = Routes[R] extends { query: infer Query }
  ? object extends Query
    ? { query?: Loose<Query> }
    : { query: Loose<Query> }
  : { query?: never };
/** A filter may come from the page's own URL: its name is ours, its value the service has to judge. */
type Loose<Query> = {
  [Name in keyof Query]: (Query[Name] extends number | undefined ? Query[Name] : string) | undefined;
};
type BodyOf<R extends Route> = Routes[R] extends { body: infer Body }
  ? object extends Body
    ? { body?: Body }
    : { body: Body }
  : { body?: never };

/** Throws {@link ApiProblem}. */
export async function call<R extends Route>(route: R, ask: Input<R>, signal?: AbortSignal): Promise<Answer<R>> {
  const [method] = route.split(' ', 1);
  const { body } = ask as { body?: unknown };
  const limits = [AbortSignal.timeout(LONGEST_MS), ...(signal ? [signal] : [])];
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(urlOf(route, ask), {
      method: method!,
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
  if (answer.ok) return content as Answer<R>;
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

/** The path with its parts filled in, without the query. */
export function pathOf<R extends Route>(route: R, ask: Input<R>): string {
  const { path = {} } = ask as { path?: Record<string, string> };
  return route
    .slice(route.indexOf(' ') + 1)
    .replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(path[name] ?? ''));
}

/** With what of the query has a value. */
export function urlOf<R extends Route>(route: R, ask: Input<R>): string {
  const { query = {} } = ask as { query?: Record<string, string | number | undefined> };
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return pathOf(route, ask) + (given.length > 0 ? `?${search}` : '');
}

/** Where the services behind the portal begin, for what is out of date after a change. */
export const GRANTS = '/api/grants/v1';
export const SIGNALS = '/api/signals/v1';
/** The portal's own. */
export const PORTAL = '/v1';
