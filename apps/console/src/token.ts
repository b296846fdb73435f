/** A JWT taken apart, in this browser alone. Nothing is checked. */
export interface TokenParts {
  header: Record<string, unknown>;
  claims: Record<string, unknown>;
}

/** What was pasted, without `Bearer`, quotes and line breaks around or within it. */
export const tidy = (pasted: string): string =>
  pasted
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/^authorization:\s*/i, '')
    .replace(/^bearer\s+/i, '')
    .replace(/^["'`]|["'`,;]$/g, '')
    .replaceAll(' ', '');

/** The parts of a signed JWT (RFC 7515, compact), or the sentence that says why it is none. */
export function takeApart(token: string): TokenParts | { mistake: string } {
  if (token === '') return { mistake: 'Paste a token.' };
  if (/^sk_/.test(token)) return { mistake: 'This is a WorkOS API key, which is secret. A token begins with eyJ.' };
  if (/^whsec_/.test(token)) return { mistake: 'This is a signing secret. A token begins with eyJ.' };
  const parts = token.split('.');
  if (parts.length === 5) return { mistake: 'This is an encrypted token (JWE): its content cannot be read here.' };
  if (parts.length !== 3) {
    return { mistake: 'A token has three parts with dots between them; copy all of it. Opaque tokens are not judged.' };
  }
  const [header, claims] = [objectIn(parts[0]!), objectIn(parts[1]!)];
  if (!header) return { mistake: 'Its first part cannot be read: the beginning of the token is missing or damaged.' };
  if (!claims) return { mistake: 'Its second part cannot be read: the token is damaged.' };
  return { header, claims };
}

function objectIn(part: string): Record<string, unknown> | undefined {
  try {
    const binary = atob(part.replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

const CLAIMS: Record<string, string> = {
  iss: 'who issued it',
  sub: 'the user',
  aud: 'whom it is for',
  exp: 'good until',
  iat: 'issued at',
  nbf: 'not before',
  jti: 'its own id',
  sid: 'the session',
  org_id: 'the organization',
  role: 'the role',
  roles: 'the roles',
  permissions: 'what it permits',
  client_id: 'the client it was issued to',
  auth_time: 'signed in at',
  act: 'who acts as this person',
};
export const claimMeans = (name: string): string | undefined => CLAIMS[name];

/** Seconds since the epoch, for the claims that hold a time (RFC 7519, section 4.1). */
export function timeOf(name: string, value: unknown): Date | undefined {
  if (!['exp', 'iat', 'nbf', 'auth_time'].includes(name) || typeof value !== 'number') return undefined;
  const time = new Date(value * 1_000);
  return Number.isNaN(time.getTime()) ? undefined : time;
}
