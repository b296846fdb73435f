import { createHmac } from 'node:crypto';
import { request as httpRequest } from 'node:http';
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
  /** What each operation is asked besides, by its name: what a schema cannot say, chance seldom finds. Made just before. */
  asked: Readonly<Record<string, () => Asked[] | Promise<Asked[]>>>;
  /** Of those who are known, and may nearly nothing. */
  weak: readonly Record<string, string>[];
  webhookSecret: string;
  seed: number;
  requests: number;
}

/** One request that somebody thought of; the body is also one that chance draws from then on. */
export interface Asked {
  /** Of the path and the query; what the path needs and is not here is made up. */
  parameters?: Record<string, string | undefined>;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface Result {
  sent: number;
  breaches: string[];
  /** Operations that were refused whatever was sent. */
  refused: string[];
  /** All that the document says an operation may answer: its name, the status, and of a problem its code. */
  described: string[];
  /** Of these, what it did not. */
  unreached: string[];
}

interface Request {
  parameters: Record<string, unknown>;
  body: unknown;
  /** In place of the credentials, where it is there. */
  headers?: Record<string, string>;
  /** As it is sent, where that is not the body in its own type. */
  raw?: { type: string; text: string };
  /** A body that is said to be larger than any may be. */
  tooLarge?: boolean;
  /** One of many says everything twice. */
  twice?: boolean;
}

/**
 * Calls every operation of the document with what it asks for and with what it does not. Answers with each thing in which
 * the service was not as described, said once: a status or type of answer that is not in the document, a body that its schema
 * refuses; and with all that is in the document and was never answered.
 */
export async function breaches(subject: Subject): Promise<Result> {
  const { document, seed } = subject;
  const bodies = answerSchemas(document);
  const found = new Map<string, string>();
  const refused: string[] = [];
  const reached = new Set<string>();
  const made = new Map<string, string[]>();
  let sent = 0;
  for (const [path, method, operation] of inOrder(document)) {
    const credentials = await credentialsFor(operation, subject);
    const existing = await idsUnder(path, subject);
    // Nothing that the stack itself lives on is changed or deleted: what we have made is.
    const ids = [...(method === 'get' ? existing : []), ...(made.get(listOf(path)) ?? [])];
    const asked = (await subject.asked[operation.operationId]?.()) ?? [];
    const drawn = requestsOf(operation, subject, ids, asked);
    const usual = fc.sample(drawn, { seed, numRuns: subject.requests });
    let isTaken = false;
    const refusals = new Set<string>();
    for (const request of [...mistakesOf(operation, subject, asked), ...asked.map(requestOf), ...usual]) {
      sent++;
      const judged = await breachOf(path, method, operation, request, credentials, subject, bodies);
      const { line, status, said, id, breach } = judged;
      reached.add(`${operation.operationId} ${said}`);
      isTaken ||= status < 400;
      if (status >= 400) refusals.add(said);
      if (method === 'post' && id !== undefined) made.set(path, [id, ...(made.get(path) ?? [])].slice(0, 5));
      const finding = `${operation.operationId}: ${breach}`;
      if (breach !== undefined && !found.has(finding)) found.set(finding, line);
    }
    if (!isTaken) refused.push(`${operation.operationId} (${[...refusals].join(', ')})`);
  }
  const described = describedIn(document);
  return {
    sent,
    refused,
    described,
    unreached: described.filter((answer) => !reached.has(answer)),
    breaches: [...found].map(([finding, line]) => `${finding}, for example ${line}`).sort(),
  };
}

const PROBLEM = 'application/problem+json';

function describedIn(document: Document): string[] {
  return inOrder(document).flatMap(([, , { operationId, responses }]) =>
    Object.entries(responses).flatMap(([status, { content = {} }]) => {
      const { [PROBLEM]: problem, ...others } = content;
      const codes = problem ? codesOf(problem.schema) : [];
      const isAlsoPlain = !problem || Object.keys(others).length > 0;
      return [...(isAlsoPlain ? [''] : []), ...codes.map((code) => ` ${code}`)].map(
        (code) => `${operationId} ${status}${code}`,
      );
    }),
  );
}

function codesOf({ allOf = [] }: Schema & { allOf?: { properties?: { code?: { enum?: string[] } } }[] }): string[] {
  return allOf.flatMap(({ properties }) => properties?.code?.enum ?? []);
}

const requestOf = ({ parameters = {}, body, headers }: Asked): Request => ({
  parameters,
  body,
  ...(headers ? { headers } : {}),
});

/** What everybody gets wrong once, each in an otherwise good request: so that each answer to that comes for certain. */
function mistakesOf(operation: Described, { weak }: Subject, [good]: readonly Asked[]): Request[] {
  const request: Request = good ? requestOf(good) : { parameters: {}, body: {} };
  const query = operation.parameters.filter(({ in: place }) => place === 'query');
  return [
    { ...request, headers: {} },
    ...weak.map((headers) => ({ ...request, headers })),
    { ...request, parameters: {} },
    ...query.map(({ name }) => ({ ...request, parameters: { ...request.parameters, [name]: '\0' } })),
    ...(operation.requestBody
      ? [
          { ...request, body: ['unheard of'] },
          { ...request, raw: { type: 'application/json', text: '{"' } },
          { ...request, raw: { type: 'image/png', text: 'x' } },
          { ...request, tooLarge: true },
        ]
      : []),
  ];
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

function requestsOf(
  operation: Described,
  { known }: Subject,
  ids: readonly string[],
  asked: readonly Asked[],
): fc.Arbitrary<Request> {
  const parameters: Record<string, fc.Arbitrary<unknown>> = {};
  const always: string[] = [];
  for (const { name, in: place, required, schema } of operation.parameters) {
    const text = fc.oneof({ weight: 8, arbitrary: valueOf(schema, known) }, { weight: 1, arbitrary: oddText });
    const there = [...(place === 'path' && name === 'id' ? ids : []), ...(known[name] ? [known[name]] : [])];
    parameters[name] =
      there.length > 0
        ? fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...there) }, { weight: 1, arbitrary: text })
        : text;
    if (place === 'path' || required) always.push(name);
  }
  const [content] = Object.values(operation.requestBody?.content ?? {});
  const good = asked.flatMap(({ body }) => (body === undefined ? [] : [body]));
  const oneOfTen = fc.integer({ min: 0, max: 9 }).map((n) => n === 0);
  return fc.record({
    parameters: fc.record(parameters, { requiredKeys: always }) as fc.Arbitrary<Record<string, unknown>>,
    body: !content
      ? fc.constant(undefined)
      : good.length > 0
        ? fc.oneof(fc.constantFrom(...good), valueOf(content.schema, known))
        : valueOf(content.schema, known),
    twice: oneOfTen,
  });
}

async function credentialsFor(
  { security }: Described,
  { credentials }: Subject,
): Promise<Record<string, string> | undefined> {
  const [scheme] = security.flatMap((one) => Object.keys(one));
  return scheme === undefined ? undefined : await credentials[scheme]?.();
}

/** Of `/v1/grants/{id}/revoke` it is `/v1/grants`. */
const listOf = (path: string): string => path.slice(0, Math.max(0, path.indexOf('/{')));

/** Of `/v1/grants/{id}` those that `/v1/grants` lists. */
async function idsUnder(path: string, { url, document, credentials }: Subject): Promise<string[]> {
  const list = listOf(path);
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
): Promise<{ line: string; status: number } & Judged> {
  const headers: Record<string, string> = { ...(request.headers ?? credentials) };
  const query = new URLSearchParams();
  let filled = path;
  for (const { name, in: place } of operation.parameters) {
    const value = request.parameters[name];
    if (value === undefined) continue;
    const text = textOf(value);
    // A router tells of a part that is missing or of over a hundred characters that there is no such route.
    if (place === 'path') filled = filled.replace(`{${name}}`, encodeURIComponent(text.slice(0, 90) || '-'));
    else if (place === 'query') for (const one of request.twice ? [text, text] : [text]) query.append(name, one);
    else headers[name] = text.replace(/[^\x20-\x7e]/g, '?');
  }
  filled = filled.replace(/\{\w+\}/g, 'nothing-of-this-name');
  const [type] = Object.keys(operation.requestBody?.content ?? {});
  const body = type === undefined ? undefined : (request.raw?.text ?? written(request.body, type));
  if (type !== undefined) headers['content-type'] = request.raw?.type ?? type;
  if (!request.headers && operation.security.some((one) => 'webhook_signature' in one)) {
    const at = Date.now();
    const digest = createHmac('sha256', webhookSecret).update(`${at}.${body}`).digest('hex');
    headers['WorkOS-Signature'] = `t=${at}, v1=${digest}`;
  }
  const params = query.size > 0 ? `?${query}` : '';
  const target = url + filled + params;
  const asked = { method: method.toUpperCase(), headers, ...(body === undefined ? {} : { body }) };
  const answer = await (request.tooLarge
    ? saidToBeLarge(target, asked)
    : fetch(target, { ...asked, redirect: 'manual' }));
  const line = `${asked.method} ${filled}${params} ${body ?? ''}`.slice(0, 300).trim();
  return { line, status: answer.status, ...(await judge(answer, operation, bodies)) };
}

/** Says how long its body is and sends nothing of it: whoever refuses need not read it, and nobody waits for it. */
function saidToBeLarge(url: string, { method, headers }: { method: string; headers: Record<string, string> }) {
  return new Promise<Response>((resolve, reject) => {
    const sent = httpRequest(url, { method, headers: { ...headers, 'content-length': 100_000_000 } }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.once('end', () => {
        sent.destroy();
        const type = answer.headers['content-type'] ?? '';
        resolve(new Response(Buffer.concat(chunks), { status: answer.statusCode!, headers: { 'content-type': type } }));
      });
    });
    sent.once('error', reject).flushHeaders();
  });
}

function written(body: unknown, type: string): string {
  if (type.endsWith('json')) return JSON.stringify(body);
  if (typeof body === 'string') return body.toWellFormed();
  const fields = Object.entries((body ?? {}) as Record<string, unknown>);
  return String(new URLSearchParams(fields.map(([name, value]): [string, string] => [name, textOf(value)])));
}

/** Of no encoding, no request could hold it; JSON has an escape for that. */
const textOf = (value: unknown): string => (typeof value === 'string' ? value.toWellFormed() : JSON.stringify(value));

interface Judged {
  /** Status and code. */
  said: string;
  /** In the answer, where there is one. */
  id: string | undefined;
  /** How the answer is not as described. */
  breach: string | undefined;
}

async function judge(
  answer: Response,
  operation: Described,
  bodies: ReadonlyMap<string, ValidateFunction>,
): Promise<Judged> {
  const type = answer.headers.get('content-type')?.split(';')[0] ?? '';
  const described = operation.responses[answer.status];
  if (type === 'text/event-stream') {
    await answer.body?.cancel();
    const breach = described?.content?.[type] ? undefined : `${answer.status} ${type} is not described`;
    return { said: String(answer.status), id: undefined, breach };
  }
  const text = await answer.text();
  const body = type.endsWith('json') ? (JSON.parse(text) as unknown) : undefined;
  const { id, code } = (body ?? {}) as { id?: unknown; code?: unknown };
  const said = `${answer.status}${type === PROBLEM && typeof code === 'string' ? ` ${code}` : ''}`;
  const breach = (): string | undefined => {
    if (!described) return `${said} is not described`;
    if (text === '') return described.content && answer.status < 300 ? `${said} has no body` : undefined;
    if (!described.content?.[type]) return `${said}: an answer of type ${type} is not described`;
    if (body === undefined) return undefined;
    const fits = bodies.get(`${operation.operationId} ${answer.status} ${type}`)!;
    if (fits(body)) return undefined;
    const [first] = fits.errors ?? [];
    // Places in a list would make many findings of one.
    const place = first?.instancePath.replace(/\/\d+/g, '/…') ?? '';
    return `${said}: ${place} ${first?.message} ${JSON.stringify(first?.params)}`;
  };
  return { said, id: typeof id === 'string' ? id : undefined, breach: breach() };
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
