import type { StackFile } from '#testing/stack-file.js';

/** A person at the sandbox who has signed in. */
export interface Person {
  id: string;
  token: string;
}

/** Creates people in one organization of the sandbox and signs each in. */
export async function signedInPeople(stack: StackFile, count: number): Promise<Person[]> {
  const organization = await call(stack, 'POST', '/organizations', { name: `Bench ${Date.now()}` });
  const people: Person[] = [];
  const run = Date.now().toString(36);
  for (let start = 0; start < count; start += 50) {
    const wave = Array.from({ length: Math.min(50, count - start) }, async (_, index) => {
      const email = `bench-${run}-${start + index}@example.test`;
      const user = await call(stack, 'POST', '/user_management/users', {
        email,
        password: 'correct horse',
        email_verified: true,
      });
      await call(stack, 'POST', '/user_management/organization_memberships', {
        user_id: user['id'],
        organization_id: organization['id'],
      });
      const session = await call(stack, 'POST', '/user_management/authenticate', {
        client_id: stack.provider.clientId,
        client_secret: stack.provider.apiKey,
        grant_type: 'password',
        email,
        password: 'correct horse',
      });
      return { id: String(user['id']), token: String(session['access_token']) };
    });
    people.push(...(await Promise.all(wave)));
  }
  return people;
}

/** Calls the sandbox as WorkOS's customers call WorkOS. */
export async function call(
  stack: StackFile,
  method: string,
  path: string,
  body?: object,
): Promise<Record<string, unknown>> {
  const answer = await fetch(`${stack.sandbox}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${stack.provider.apiKey}`,
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  if (!answer.ok) throw new Error(`${method} ${path} at the sandbox: ${answer.status}`);
  return answer.status === 204 ? {} : ((await answer.json().catch(() => ({}))) as Record<string, unknown>);
}
