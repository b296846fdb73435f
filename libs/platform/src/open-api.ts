import { Controller, Get, Inject } from '@nestjs/common';
import { z } from 'zod';
import { Public } from './api-key.guard.js';

export interface Operation {
  method: 'get' | 'post' | 'patch' | 'delete' | 'put';
  /** As OpenAPI writes it: `/v1/grants/{id}`. */
  path: string;
  operationId: string;
  summary: string;
  /** Where the route asks for no API key; or the name of another security scheme. */
  security?: 'none' | 'session' | 'basic' | 'bearer_token' | 'webhook_signature';
  query?: z.ZodObject;
  headers?: z.ZodObject;
  body?: z.ZodType;
  bodyType?: string;
  /** Status → schema of the answer, or null for one without a body. */
  responses: Record<number, { description: string; schema?: z.ZodType; contentType?: string }>;
  /** Status → the problem codes that it can carry (RFC 9457). */
  problems?: Record<number, readonly string[]>;
}

/** An OpenAPI 3.1 document; its schemas are the ones that the service itself checks with. */
export function openApi(info: { title: string; description: string }, operations: readonly Operation[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of operations) {
    (paths[operation.path] ??= {})[operation.method] = describe(operation);
  }
  return {
    openapi: '3.1.0',
    info: { ...info, version: '1', license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths,
    components: {
      schemas: { Problem: PROBLEM },
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: 'An API key of this installation.' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-rescind_session',
          description: 'A browser at the portal.',
        },
        basic: { type: 'http', scheme: 'basic' },
        bearer_token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'The token that is judged.' },
        webhook_signature: { type: 'apiKey', in: 'header', name: 'WorkOS-Signature' },
      },
    },
  };
}

const PROBLEM = {
  type: 'object',
  required: ['type', 'title', 'status', 'code'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string' },
    detail: { type: 'string' },
  },
};

function describe(operation: Operation): object {
  const responses: Record<string, object> = {};
  for (const [status, { description, schema, contentType }] of Object.entries(operation.responses)) {
    responses[status] = {
      description,
      ...(schema ? { content: { [contentType ?? 'application/json']: { schema: jsonSchema(schema, 'output') } } } : {}),
    };
  }
  const security = operation.security ?? 'apiKey';
  for (const [status, codes] of problemsOf(operation, security)) {
    const described = responses[status] as { description: string; content?: object } | undefined;
    responses[status] = {
      description: [...(described ? [described.description] : []), ...codes].join(', '),
      content: {
        ...described?.content,
        'application/problem+json': {
          schema: { allOf: [{ $ref: '#/components/schemas/Problem' }, { properties: { code: { enum: codes } } }] },
        },
      },
    };
  }
  return {
    operationId: operation.operationId,
    summary: operation.summary,
    security: security === 'none' ? [] : [{ [security]: [] }],
    parameters: [
      ...[...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
        name,
        in: 'path',
        required: true,
        schema: { type: 'string' },
      })),
      ...parameters(operation.query, 'query'),
      ...parameters(operation.headers, 'header'),
    ],
    ...(operation.body
      ? {
          requestBody: {
            required: true,
            content: { [operation.bodyType ?? 'application/json']: { schema: jsonSchema(operation.body, 'input') } },
          },
        }
      : {}),
    responses,
  };
}

/** Status → codes: what the operation says of itself, and what every route with a key or a body can answer besides. */
function problemsOf(operation: Operation, security: string): Map<string, string[]> {
  const problems = new Map<string, string[]>();
  const add = (status: number | string, ...codes: readonly string[]): void =>
    void problems.set(String(status), [...new Set([...(problems.get(String(status)) ?? []), ...codes])]);
  for (const [status, codes] of Object.entries(operation.problems ?? {})) add(status, ...codes);
  if (security === 'apiKey') {
    add(401, 'api_key_invalid');
    add(403, 'permission_missing');
    add(503, 'api_keys_unknown');
  }
  if (operation.body && security !== 'webhook_signature') {
    add(400, 'bad_request');
    add(413, 'body_too_large');
    add(415, 'media_type_unsupported');
  }
  if (security !== 'none') add(429, 'rate_limited');
  return problems;
}

function parameters(schema: z.ZodObject | undefined, place: 'query' | 'header'): object[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = jsonSchema(schema, 'input') as {
    properties?: Record<string, object>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: required.includes(name),
    schema: property,
  }));
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}

export const OPEN_API = Symbol('OpenAPI document');

@Public()
@Controller('openapi.json')
export class OpenApiController {
  constructor(@Inject(OPEN_API) private readonly document: object) {}

  @Get()
  get(): object {
    return this.document;
  }
}
