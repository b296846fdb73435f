import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { newPlace, type Place, type Portal, startPortal } from './portal.js';

let place: Place;
let portal: Portal;
beforeAll(async () => {
  place = await newPlace();
  portal = await startPortal(place);
});
afterAll(async () => {
  await portal.close();
  await place.leave();
});

interface OpenApi {
  openapi: string;
  paths: Record<string, Record<string, { responses: Record<string, unknown> }>>;
}
const describedBy = async (): Promise<OpenApi> => (await (await fetch(`${portal.url}/openapi.json`)).json()) as OpenApi;

test('every route of the API is described, and nothing else is', async () => {
  const { openapi, paths } = await describedBy();
  expect(openapi).toBe('3.1.0');
  const described = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`),
  );
  const fastify = portal.app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  for (const route of described) {
    const [method, url] = route.split(' ') as ['GET', string];
    expect({ route, exists: fastify.hasRoute({ method, url }) }).toEqual({ route, exists: true });
  }
  const decorated = await routesInSource();
  expect(described.length).toBe(decorated);
});

/** Handlers of the controllers; the page is no API, and the proxy's routes are those of other services. */
async function routesInSource(): Promise<number> {
  const dir = join(import.meta.dirname, '../src');
  let count = 0;
  const files = await readdir(dir, { recursive: true });
  for (const file of files.filter(
    (name) => name.endsWith('.controller.ts') && !name.endsWith('/console.controller.ts'),
  )) {
    const text = await readFile(join(dir, file), 'utf8');
    if (text.includes('@Controller(')) count += text.match(/^ {2}@(Get|Post|Patch|Put|Delete)\(/gm)?.length ?? 0;
  }
  return count;
}

test('every refusal of a pasted issuer is described', async () => {
  const { paths } = await describedBy();
  const described = JSON.stringify(paths['/v1/identity-providers/discover']!['post']!.responses['422']);
  const dir = join(import.meta.dirname, '../../../libs/workos/src');
  const codes = new Set<string>();
  for (const file of ['discovery.ts', 'issuer-shape.ts']) {
    const text = await readFile(join(dir, file), 'utf8');
    for (const [, code] of text.matchAll(/new IssuerRefused\(\s*'(\w+)'/g)) codes.add(code!);
    for (const [, code] of text.matchAll(/^ {2}\w+: \[\s*'(\w+)'/gm)) codes.add(code!);
  }
  expect(codes.size).toBeGreaterThan(30);
  for (const code of codes) expect(described).toContain(`"${code}"`);
});
