export interface BrowserAnswer {
  status: number;
  headers: Headers;
  text: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- whatever the service says
  body: any;
}

/** As a person's browser: cookies by host, the CSRF token of the page, redirects followed by hand. */
export class Browser {
  private readonly jar = new Map<string, Map<string, string>>();
  csrf: string | undefined;

  constructor(readonly portal: string) {}

  async call(method: string, url: string, body?: object | string, headers: Record<string, string> = {}) {
    const target = new URL(url, this.portal);
    const cookies = this.cookies(target.host);
    const isForm = typeof body === 'string';
    const response = await fetch(target, {
      method,
      redirect: 'manual',
      headers: {
        ...(cookies.size > 0 ? { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') } : {}),
        ...(this.csrf !== undefined && method !== 'GET' ? { 'x-csrf-token': this.csrf } : {}),
        ...(body === undefined
          ? {}
          : { 'content-type': isForm ? 'application/x-www-form-urlencoded' : 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!;
      if (value === '' || /max-age=0(;|$)/i.test(cookie)) cookies.delete(name!);
      else cookies.set(name!, value!);
    }
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') && text !== '';
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: isJson ? JSON.parse(text) : undefined,
    } as BrowserAnswer;
  }

  cookies(host = new URL(this.portal).host): Map<string, string> {
    const known = this.jar.get(host) ?? new Map<string, string>();
    this.jar.set(host, known);
    return known;
  }

  /** AuthKit's hosted page: the address is typed in. Answers the callback's URL with its code. */
  async atAuthKit(authorizeUrl: string, email: string): Promise<string> {
    const page = await this.call('GET', authorizeUrl);
    if (page.status !== 200) throw new Error(`AuthKit: ${page.status} ${page.text}`);
    const submitted = await this.call('POST', authorizeUrl, new URLSearchParams({ email }).toString());
    return submitted.headers.get('location')!;
  }

  /** The whole way; answers what the callback says. */
  async signIn(provider: string, email: string, returnTo = '/'): Promise<BrowserAnswer> {
    const begun = await this.call('GET', `/auth/${provider}/login?return_to=${encodeURIComponent(returnTo)}`);
    if (begun.status !== 303) return begun;
    const callback = await this.atAuthKit(begun.headers.get('location')!, email);
    const finished = await this.call('GET', callback);
    if (finished.status === 303) this.csrf = (await this.session()).body.csrf_token;
    return finished;
  }

  session(): Promise<BrowserAnswer> {
    return this.call('GET', '/auth/session');
  }
}
