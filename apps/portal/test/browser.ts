import { API_KEY, type Answer } from './portal.js';

export interface BrowserAnswer extends Answer {
  /** The whole Set-Cookie, where there is one. */
  setCookie: string | undefined;
}

/** As a browser: it keeps its cookies, and sends the CSRF token that it was given. */
export class Browser {
  readonly cookies = new Map<string, string>();
  csrf: string | undefined;

  constructor(private readonly url: string) {}

  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<BrowserAnswer> {
    const response = await fetch(this.url + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(this.cookies.size > 0 ? { cookie: this.cookieHeader() } : {}),
        ...(this.csrf !== undefined && method !== 'GET' ? { 'x-csrf-token': this.csrf } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const setCookies = response.headers.getSetCookie();
    for (const cookie of setCookies) this.keep(cookie);
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json');
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? undefined : isJson ? JSON.parse(text) : text,
      setCookie: setCookies[0],
    };
  }

  cookieHeader(): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  async signIn(key = API_KEY): Promise<BrowserAnswer> {
    const answer = await this.call('POST', '/auth/session', { api_key: key });
    if (answer.status === 204) this.csrf = (await this.call('GET', '/auth/session')).body.csrf_token;
    return answer;
  }

  private keep(cookie: string): void {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!;
    if (value === '' || /max-age=0(;|$)/i.test(cookie)) this.cookies.delete(name!);
    else this.cookies.set(name!, value!);
  }
}
