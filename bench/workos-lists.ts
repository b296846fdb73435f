import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

const PAGE = 100;
const MEMBERS_OF_ONE = 100;
const CHANGED = '2026-01-01T00:00:00.000Z';

/**
 * A WorkOS that lists so many users, a hundred in each organization, a page of a hundred at a time, each answer after `latencyMs`:
 * made as they are asked for, so that a million take no memory.
 */
export async function workosLists(
  users: number,
  latencyMs: number,
): Promise<{ url: string; close(): void; asked(): number }> {
  let asked = 0;
  const server: Server = createServer((request, response) => {
    asked += 1;
    const { pathname, searchParams } = new URL(request.url!, 'http://localhost');
    const body = JSON.stringify(pageOf(pathname, searchParams, users));
    setTimeout(() => response.writeHead(200, { 'content-type': 'application/json' }).end(body), latencyMs);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
    asked: () => asked,
  };
}

/** One page; its cursor is the number of the first object on the next one. */
export function pageOf(path: string, query: URLSearchParams, users: number): object {
  const from = Number(query.get('after') ?? 0);
  const organizations = Math.ceil(users / MEMBERS_OF_ONE);
  if (path === '/organizations')
    return page(from, organizations, (index) => ({ id: idOf('org', index), name: 'Acme' }));
  if (path === '/user_management/users') {
    return page(from, users, (index) => ({ id: idOf('user', index), email: `p${index}@example.test` }));
  }
  const organizationId = query.get('organization_id');
  if (path !== '/user_management/organization_memberships' || organizationId === null) return page(0, 0, () => ({}));
  const first = Number(organizationId.slice(4)) * MEMBERS_OF_ONE;
  return page(from, Math.min(MEMBERS_OF_ONE, users - first), (index) => ({
    id: idOf('om', first + index),
    user_id: idOf('user', first + index),
    organization_id: organizationId,
    status: 'active',
    role: { slug: 'member' },
  }));
}

function page(from: number, count: number, objectOf: (index: number) => object): object {
  const until = Math.min(count, from + PAGE);
  const data = Array.from({ length: Math.max(0, until - from) }, (_, index) => ({
    ...objectOf(from + index),
    created_at: CHANGED,
    updated_at: CHANGED,
  }));
  return { object: 'list', data, list_metadata: { before: null, after: until < count ? String(until) : null } };
}

const idOf = (kind: string, index: number): string => `${kind}_${String(index).padStart(26, '0')}`;
