import { createHmac } from 'node:crypto';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import * as fc from 'fast-check';
import { oddText, type Schema, valueOf } from './requests.js';

interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required: boolean;
  schema: Schema;
}
interface Described {
  operationId: string;
  security: Record<string, unknown>[];
  parameters: Parameter[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
}
export interface Document {
  openapi: string;
  paths: Record<string, Record<string, Described>>;
}

/** How whoever calls says who they are, for each security scheme. */
export type Credentials = Readonly<Record<string, () => Promise<Record<string, string>>>>;

export interface Subject {
  /** Where the service is, and what it says of itself. */
  url: string;
  document: Document;
  credentials: Credentials;
  /** Ids of things that are there, by the name of the member or parameter that asks for one. */
  known: Readonly<Record<string, string>>;
  webhookSecret: string;
  seed: number;
  requests: number;
}

interface Request {
  parameters: Record<string, unknown>;
  body: unknown;
  /** One of many knows no credentials, one of many writes no JSON. */
  anonymous: boolean;
  broken: boolean;
}

/**
 * Calls every operation of the document with what it asks for and with what it does not. Answers with each thing in which
 * the service was not as described, said once: a status or type of answer that is not in the document, a body that its schema
 * refuses.
 */
export async function breaches(subject: Subject): Promise<{ sent: number; breaches: string[] }> {
  const { document, seed } = subject;
  const bodies = answerSchemas(document);
  const found = new Set<string>();
  let sent = 0;
  for (const [path, method, operation] of inOrder(document)) {
    const credentials = await credentialsFor(operation, subject);
    const existing = await idsUnder(path, subject);
    // Nothing that the stack itself lives on is changed or deleted.
    const ids = method === 'get' ? existing : [];
    for (const request of fc.sample(requestsOf(operation, subject, ids), { seed, numRuns: subject.requests })) {
      sent++;
      const breach = await breachOf(path, method, operation, request, credentials, subject, bodies);
      if (breach !== undefined) found.add(`${operation.operationId}: ${breach}`);
    }
  }
  return { sent, breaches: [...found].sort() };
}

/** What makes things first, what ends them last. */
function inOrder({ paths }: Document): [path: string, method: string, operation: Described][] {
  const rank = (path: string, method: string): number =>
    method === 'delete' || path.endsWith('/sign-out') ? 2 : method === 'post' ? 0 : 1;
  return Object.entries(paths)
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]): [string, string, Described] => [path, method, operation]),
    )
    .sort(([a, m], [b, n]) => rank(a, m) - rank(b, n));
}

function requestsOf(operation: Described, { known }: Subject, ids: readonly string[]): fc.Arbitrary<Request> {
  const parameters: Record<string, fc.Arbitrary<unknown>> = {};
  const always: string[] = [];
  for (const { name, in: place, required, schema } of operation.parameters) {
    const text = fc.oneof(valueOf(schema, known), oddText);
    const there = [...(place === 'path' && name === 'id' ? ids : []), ...(known[name] ? [known[name]] : [])];
    parameters[name] = there.length > 0 ? fc.oneof(fc.constantFrom(...there), text) : text;
    if (place === 'path' || required) always.push(name);
  }
  const [content] = Object.values(operation.requestBody?.content ?? {});
  const oneOfTen = fc.integer({ min: 0, max: 9 }).map((n) => n === 0);
  return fc.record({
    parameters: fc.record(parameters, { requiredKeys: always }) as fc.Arbitrary<Record<string, unknown>>,
    body: content ? valueOf(content.schema, known) : fc.constant(undefined),
    anonymous: oneOfTen,
    broken: oneOfTen,
  });
}

async function credentialsFor(
  { security }: Described,
  { credentials }: Subject,
): Promise<Record<string, string> | undefined> {
  const [scheme] = security.flatMap((one) => Object.keys(one));
  return scheme === undefined ? undefined : await credentials[scheme]?.();
}

/** Of `/v1/grants/{id}` those that `/v1/grants` lists. */
async function idsUnder(path: string, { url, document, credentials }: Subject): Promise<string[]> {
  const list = path.slice(0, Math.max(0, path.indexOf('/{')));
  if (!document.paths[list]?.['get']) return [];
  const answer = await fetch(url + list, { headers: (await credentials['apiKey']?.()) ?? {} });
  const { data } = (await answer.json()) as { data?: { id?: unknown }[] };
  return (data ?? []).flatMap(({ id }) => (typeof id === 'string' ? [id] : [])).slice(0, 5);
}

async function breachOf(
  path: string,
  method: string,
  operation: Described,
  request: Request,
  credentials: Record<string, string> | undefined,
  { url, webhookSecret }: Subject,
  bodies: ReadonlyMap<string, ValidateFunction>,
): Promise<string | undefined> {
  const headers: Record<string, string> = {};
  const query = new URLSearchParams();
  let filled = path;
  for (const { name, in: place } of operation.parameters) {
    const value = request.parameters[name];
    if (value === undefined) continue;
    const text = typeof value === 'string' ? value.toWellFormed() : JSON.stringify(value);
    // A router tells of a part that is missing or of over a hundred characters that there is no such route.
    if (place === 'path') filled = filled.replace(`{${name}}`, encodeURIComponent(text.slice(0, 90) || '-'));
    else if (place === 'query') query.append(name, text);
    else headers[name] = text.replace(/[^\x20-\x7e]/g, '?');
  }
  const [type] = Object.keys(operation.requestBody?.content ?? {});
  let body: string | undefined;
  if (type !== undefined) {
    headers['content-type'] = type;
    body = request.broken ? '{"' : written(request.body, type);
  }
  if (!request.anonymous) Object.assign(headers, credentials);
  if (operation.security.some((one) => 'webhook_signature' in one) && !request.anonymous) {
    const at = Date.now();
    const digest = createHmac('sha256', webhookSecret).update(`${at}.${body}`).digest('hex');
    headers['WorkOS-Signature'] = `t=${at}, v1=${digest}`;
  }
  const params = query.size > 0 ? `?${query}` : '';
  const answer = await fetch(url + filled + params, {
    method: method.toUpperCase(),
    headers,
    redirect: 'manual',
    ...(body === undefined ? {} : { body }),
  });
  return judge(answer, operation, bodies);
}

function written(body: unknown, type: string): string {
  if (type.endsWith('json')) return JSON.stringify(body);
  if (typeof body === 'string') return body.toWellFormed();
  const fields = Object.entries((body ?? {}) as Record<string, unknown>);
  return String(new URLSearchParams(fields.map(([name, value]): [string, string] => [name, String(value)])));
}

async function judge(
  answer: Response,
  { operationId, responses }: Described,
  bodies: ReadonlyMap<string, ValidateFunction>,
): Promise<string | undefined> {
  const type = answer.headers.get('content-type')?.split(';')[0] ?? '';
  if (type === 'text/event-stream') {
    await answer.body?.cancel();
    return responses[answer.status]?.content?.[type] ? undefined : `${answer.status} ${type} is not described`;
  }
  const text = await answer.text();
  const described = responses[answer.status];
  const isJson = type.endsWith('json');
  const code = isJson ? (JSON.parse(text) as { code?: unknown }).code : undefined;
  const said = `${answer.status}${code === undefined ? '' : ` ${String(code)}`}`;
  if (!described) return `${said} is not described`;
  if (text === '') return described.content && answer.status < 300 ? `${said} has no body` : undefined;
  if (!described.content?.[type]) return `${said}: an answer of type ${type} is not described`;
  if (!isJson) return undefined;
  const fits = bodies.get(`${operationId} ${answer.status} ${type}`)!;
  if (fits(JSON.parse(text))) return undefined;
  const [first] = fits.errors ?? [];
  // Ids in a path would make many findings of one.
  const place = first?.instancePath.replace(/\/\d+/g, '/…') ?? '';
  return `${said}: ${place} ${first?.message} ${JSON.stringify(first?.params)}`;
}

/** By operation, status and type; compiled once. */
function answerSchemas(document: Document): Map<string, ValidateFunction> {
  const ajv = new Ajv2020({ strict: false, validateSchema: false });
  formats.default(ajv);
  ajv.addSchema(document, 'document');
  const part = (name: string): string => encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'));
  const schemas = new Map<string, ValidateFunction>();
  for (const [path, method, { operationId, responses }] of inOrder(document)) {
    for (const [status, { content }] of Object.entries(responses)) {
      for (const type of Object.keys(content ?? {})) {
        const at = ['paths', path, method, 'responses', status, 'content', type, 'schema'].map(part).join('/');
        schemas.set(`${operationId} ${status} ${type}`, ajv.compile({ $ref: `document#/${at}` }));
      }
    }
  }
  return schemas;
}
