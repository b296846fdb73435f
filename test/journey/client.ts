import { createHmac } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { StackFile } from '#testing/stack-file.js';

export type Json = Record<string, unknown>;
export interface Answer {
  status: number;
  body: Json;
  headers: Headers;
}

/** Everybody who talks to the system from outside: an application, an administrator, WorkOS. */
export class Client {
  constructor(readonly stack: StackFile) {}

  /** With the administrator's API key. */
  api(
    base: 'portal' | 'grants' | 'tokenVerification' | 'signals',
    method: string,
    path: string,
    body?: object,
  ): Promise<Answer> {
    return call(this.stack[base] + path, method, this.stack.adminApiKey, body);
  }

  /** As a customer of WorkOS; throws where it does not answer 2xx. */
  async workos(method: string, path: string, body?: object): Promise<Json> {
    const answer = await call(this.stack.sandbox + path, method, this.stack.provider.apiKey, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  async verify(token: string): Promise<Json> {
    const { status, body } = await this.api('tokenVerification', 'POST', '/v1/tokens/verify', { token });
    return status === 200 ? body : { unknown: body['code'] };
  }

  /** `active`, the reason of the refusal, or why it is not known. */
  async verdict(token: string): Promise<string> {
    const { active, reason, unknown } = await this.verify(token);
    return active === true ? 'active' : String(reason ?? unknown);
  }

  async grantOf(id: string): Promise<Json> {
    return (await this.api('grants', 'GET', `/v1/grants/${id}`)).body;
  }

  async makeGrant(holder: Json, resource = 'vault:production'): Promise<Answer> {
    return this.api('grants', 'POST', '/v1/grants', {
      provider_id: this.stack.provider.id,
      ...holder,
      resource,
      scopes: ['read'],
    });
  }

  async allowed(user_id: string, organization_id?: string, resource = 'vault:production'): Promise<boolean> {
    const body = {
      provider_id: this.stack.provider.id,
      user_id,
      ...(organization_id ? { organization_id } : {}),
      resource,
      scope: 'read',
    };
    return (await this.api('grants', 'POST', '/v1/access/check', body)).body['allowed'] as boolean;
  }

  /** Signs and posts a webhook as WorkOS does. */
  async deliver(
    event: object,
    { url = this.stack.webhook.url, secret = this.stack.webhook.secret } = {},
  ): Promise<number> {
    const body = JSON.stringify(event);
    const t = Date.now();
    const digest = createHmac('sha256', secret).update(`${t}.${body}`).digest('hex');
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'workos-signature': `t=${t}, v1=${digest}` },
      body,
    }).catch(() => undefined);
    await answer?.body?.cancel();
    return answer?.status ?? 0;
  }

  /** A person in an organization who has signed in at the sandbox. */
  async person(organizationId?: string): Promise<Person> {
    const email = `p${Math.random().toString(36).slice(2)}@example.test`;
    const password = 'correct horse';
    const user = await this.workos('POST', '/user_management/users', { email, password, email_verified: true });
    const organization =
      organizationId ?? String((await this.workos('POST', '/organizations', { name: 'Acme' }))['id']);
    const membership = await this.workos('POST', '/user_management/organization_memberships', {
      user_id: user['id'],
      organization_id: organization,
    });
    const person: Person = {
      email,
      password,
      userId: String(user['id']),
      organizationId: organization,
      membershipId: String(membership['id']),
      token: '',
      sessionId: '',
    };
    return { ...person, ...(await this.signIn(person)) };
  }

  async signIn({ email, password }: Pick<Person, 'email' | 'password'>): Promise<{ token: string; sessionId: string }> {
    const session = await this.workos('POST', '/user_management/authenticate', {
      client_id: this.stack.provider.clientId,
      client_secret: this.stack.provider.apiKey,
      grant_type: 'password',
      email,
      password,
    });
    const token = String(session['access_token']);
    const claims = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { sid: string };
    return { token, sessionId: claims.sid };
  }
}

export interface Person {
  email: string;
  password: string;
  userId: string;
  organizationId: string;
  membershipId: string;
  token: string;
  sessionId: string;
}

async function call(url: string, method: string, key: string, body?: object): Promise<Answer> {
  const answer = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? {} : (JSON.parse(text) as Json), headers: answer.headers };
}

/** Asks until the answer is the one awaited; says what it was instead when the time is over. */
export async function untilAnswer<T>(
  ask: () => Promise<T>,
  holds: (answer: T) => boolean,
  timeoutMs = 60_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask().catch((error: unknown) => error as T);
    if (!(answer instanceof Error) && holds(answer)) return answer;
    if (performance.now() > deadline) {
      throw new Error(
        `not within ${timeoutMs} ms; the last answer: ${answer instanceof Error ? answer.message : JSON.stringify(answer)}`,
      );
    }
    await delay(10);
  }
}
