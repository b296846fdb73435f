import { ACTOR_HEADER } from '#platform/api-key.guard.js';
import { Problem } from '#platform/problem.js';

export interface Upstream {
  /** In codes and sentences: `grants`, `token-verification`. */
  name: string;
  url: string | undefined;
  apiKey: string | undefined;
  timeoutMs: number;
}

export interface ProxiedRequest {
  method: string;
  /** From `/v1` on, with its query, as it came in. */
  target: string;
  /** Parsed; what is sent on is written anew. */
  body?: unknown;
  /** Who it is for. */
  actor: string;
  headers?: Record<string, string | string[] | undefined>;
}

export interface ProxiedAnswer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/** Of the request and of the answer nothing else is handed on. */
const REQUEST_HEADERS = ['accept', 'idempotency-key'];
const ANSWER_HEADERS = ['content-type', 'retry-after'];

/** `/v1`, then parts of unreserved characters (RFC 3986); what is encoded stays so, and is no separator. */
const TARGET = /^\/v1(\/(?!\.{1,2}(\/|$))([\w.~!$'()*+,;=:@-]|%[0-9a-fA-F]{2})+)+$/;
const HIDDEN_SEPARATOR = /%(2e|2f|5c|00)/i;

/** The path of a target. Throws 404 `not_found` unless every server that reads it comes to the same place. */
export function pathOf(target: string): string {
  const [path = ''] = target.split('?', 1);
  if (TARGET.test(path) && !HIDDEN_SEPARATOR.test(path)) return path;
  throw new Problem(404, 'not_found', 'There is nothing at this path.');
}

/**
 * Asks a service for somebody. The address is a fixed one, the key the portal's own. Throws 503 `<name>_unavailable` where
 * it does not answer in time, 502 `<name>_refused_portal` where it does not take the portal's key.
 */
export async function ask(upstream: Upstream, request: ProxiedRequest): Promise<ProxiedAnswer> {
  const code = upstream.name.replaceAll('-', '_');
  pathOf(request.target);
  if (upstream.url === undefined || upstream.apiKey === undefined) {
    throw new Problem(503, `${code}_not_configured`, `The portal was not told where ${upstream.name} is.`);
  }
  const headers: Record<string, string> = {
    authorization: `Bearer ${upstream.apiKey}`,
    [ACTOR_HEADER]: encodeURIComponent(request.actor),
  };
  for (const name of REQUEST_HEADERS) {
    const value = request.headers?.[name];
    if (typeof value === 'string') headers[name] = value;
  }
  if (request.body !== undefined) headers['content-type'] = 'application/json';
  const answer = await fetch(upstream.url + request.target, {
    method: request.method,
    headers,
    redirect: 'error',
    signal: AbortSignal.timeout(upstream.timeoutMs),
    ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
  })
    .then(async (response) => ({ response, body: Buffer.from(await response.arrayBuffer()) }))
    .catch(() => {
      throw new Problem(503, `${code}_unavailable`, `${upstream.name} does not answer; try again.`, {
        headers: { 'retry-after': '1' },
      });
    });
  const { response, body } = answer;
  // Passed on as it is, the page would think that its own session has ended.
  if (response.status === 401) {
    throw new Problem(502, `${code}_refused_portal`, `${upstream.name} does not take the portal's API key.`);
  }
  const kept = ANSWER_HEADERS.map((name) => [name, response.headers.get(name)] as const);
  return {
    status: response.status,
    headers: Object.fromEntries(kept.filter((pair): pair is [string, string] => pair[1] !== null)),
    body,
  };
}
