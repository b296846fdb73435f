import type { FastifyReply, FastifyRequest } from 'fastify';

/**
 * Of the session. With `__Host-` a browser takes it from this host alone, over https: another host of the same domain cannot plant
 * a session of its own (RFC 6265bis, section 4.1.3.2).
 */
export const sessionCookie = (secure: boolean): string => (secure ? '__Host-rescind_session' : 'rescind_session');

export interface CookieOptions {
  /** Whether browsers have us over https; only on this machine they may not. */
  secure: boolean;
  path?: string;
  /** Left out: until the browser is closed. */
  maxAgeSeconds?: number;
}

/** The value of a cookie (RFC 6265, section 5.4); undefined also where there are two of the name, since one is not ours. */
export function cookieOf({ headers }: FastifyRequest, name: string): string | undefined {
  const values = (headers.cookie ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
  return values.length === 1 && /^[\w.-]{1,3000}$/.test(values[0]!) ? values[0] : undefined;
}

/** HttpOnly, and not sent with what another site makes the browser do, except to follow a link. */
export function setCookie(reply: FastifyReply, name: string, value: string, options: CookieOptions): void {
  const { secure, path = '/', maxAgeSeconds } = options;
  const parts = [`${name}=${value}`, `Path=${path}`, 'HttpOnly', 'SameSite=Lax'];
  if (secure) parts.push('Secure');
  if (maxAgeSeconds !== undefined) parts.push(`Max-Age=${maxAgeSeconds}`);
  void reply.header('set-cookie', parts.join('; '));
}

export const clearCookie = (reply: FastifyReply, name: string, options: CookieOptions): void =>
  setCookie(reply, name, '', { ...options, maxAgeSeconds: 0 });

/** Left out only where browsers have us on this very machine without TLS. */
export function isSecure(publicUrl: string | undefined): boolean {
  const url = publicUrl === undefined ? null : URL.parse(publicUrl);
  return !(url?.protocol === 'http:' && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname));
}
