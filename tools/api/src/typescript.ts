import type { Described, Document, Schema } from './document.js';

/** A JSON Schema as a TypeScript type, as its author would write it. */
export function typeOf(schema: Schema): string {
  if ('const' in schema) return JSON.stringify(schema['const']);
  if (Array.isArray(schema['enum'])) return either(schema['enum'].map((value) => JSON.stringify(value)));
  const options = schema['anyOf'] ?? schema['oneOf'];
  if (Array.isArray(options)) return either((options as Schema[]).map(typeOf));
  if (Array.isArray(schema['allOf'])) return (schema['allOf'] as Schema[]).map(typeOf).join(' & ');
  if (Array.isArray(schema['type'])) return either(schema['type'].map((type) => typeOf({ ...schema, type })));
  switch (schema['type']) {
    case 'object':
      return objectOf(schema);
    case 'array':
      return arrayOf(schema);
    case 'integer':
    case 'number':
      return 'number';
    case 'string':
    case 'boolean':
    case 'null':
      return schema['type'];
    default:
      return 'unknown';
  }
}

function objectOf(schema: Schema): string {
  const required = new Set((schema['required'] ?? []) as string[]);
  const members = Object.entries((schema['properties'] ?? {}) as Record<string, Schema>).map(([name, property]) => {
    const said = property['description'];
    const comment = typeof said === 'string' ? `/** ${said.replaceAll('*/', '* /')} */ ` : '';
    return `${comment}${nameOf(name)}${required.has(name) ? '' : '?'}: ${typeOf(property)}`;
  });
  const further = schema['additionalProperties'];
  const isOpen = typeof further === 'object' && further !== null;
  if (isOpen && members.length === 0) return `Record<string, ${typeOf(further as Schema)}>`;
  if (isOpen) members.push('[member: string]: unknown');
  return members.length === 0 ? 'Record<string, never>' : `{ ${members.join('; ')} }`;
}

function arrayOf(schema: Schema): string {
  const items = typeOf((schema['items'] ?? {}) as Schema);
  return /[|&]/.test(items) ? `(${items})[]` : `${items}[]`;
}

const either = (types: readonly string[]): string => [...new Set(types)].join(' | ');
const nameOf = (name: string): string => (/^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name));

/** What succeeds: the types of all bodies of a status below 300. */
export function answerOf({ responses }: Described): string {
  const types = Object.entries(responses)
    .filter(([status]) => Number(status) < 300)
    .map(([, { content }]) => {
      const schema = content?.['application/json']?.schema;
      return schema ? typeOf(schema) : 'void';
    });
  return either(types.length > 0 ? types : ['void']);
}

/** A service as the console reaches it: its paths begin with `prefix` there. */
export interface Reached {
  name: string;
  document: Document;
  prefix: string;
}

/**
 * One interface a service: by operation id what is asked with and what is answered; and `Routes`, the same by method and path.
 * Behind a prefix only what is below `/v1` is reached.
 */
export function typesOf(services: readonly Reached[]): string {
  const interfaces = services.map(({ name, document }) => {
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => {
        const schema = Object.values(operation.requestBody?.content ?? {})[0]?.schema;
        const query = operation.parameters.filter((parameter) => parameter.in === 'query');
        const members = [
          ...(query.length > 0 ? [`query: { ${query.map(parameterOf).join('; ')} }`] : []),
          ...(schema ? [`body: ${typeOf(schema)}`] : []),
          `answer: ${answerOf(operation)}`,
        ];
        return `/** ${operation.summary}: \`${method.toUpperCase()} ${path}\` */\n${operation.operationId}: { ${members.join('; ')} }`;
      }),
    );
    return `/** The API of ${name}. */\nexport interface ${interfaceName(name)} {\n${operations.join(';\n')}\n}`;
  });
  return `// Generated from the OpenAPI documents of the services by \`npm run api\`; not to be edited.\n\n${interfaces.join('\n\n')}\n\n${routesOf(services)}\n`;
}

function routesOf(services: readonly Reached[]): string {
  const routes = services.flatMap(({ name, document, prefix }) =>
    Object.entries(document.paths)
      .filter(([path]) => prefix === '' || path.startsWith('/v1/'))
      .flatMap(([path, methods]) =>
        Object.entries(methods).map(
          ([method, { operationId }]) =>
            `'${method.toUpperCase()} ${prefix}${path}': ${interfaceName(name)}['${operationId}']`,
        ),
      ),
  );
  return `/** Every operation, by its method and its path at the portal. */\nexport interface Routes {\n${routes.join(';\n')}\n}`;
}

const parameterOf = ({ name, required, schema }: Described['parameters'][number]): string =>
  `${nameOf(name)}${required ? '' : '?'}: ${typeOf(schema)}`;

const interfaceName = (service: string): string =>
  `${service.replace(/(^|-)(\w)/g, (_, __, letter: string) => letter.toUpperCase())}Api`;
