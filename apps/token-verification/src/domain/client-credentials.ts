import { isUtf8 } from 'node:buffer';

export interface ClientCredentials {
  id: string;
  secret: string;
}

/**
 * none: the client did not say who it is, or not in a way that can be read. ambiguous: it said so twice, which RFC 6749
 * forbids (section 2.3), since a proxy and we might look at another one of them.
 */
export type ClientClaim = ClientCredentials | 'none' | 'ambiguous';

/**
 * Who a client says it is: `client_secret_basic` (RFC 7617, with both parts form-encoded as RFC 6749, section 2.3.1, wants
 * it) or `client_secret_post`. A `client_id` in the body beside the header is no second method, if it is the same.
 */
export function clientCredentials(
  authorization: string | undefined,
  body: Readonly<Record<string, unknown>>,
): ClientClaim {
  const { client_id: id, client_secret: secret } = body;
  if (!isOnce(id) || !isOnce(secret)) return 'ambiguous';
  if (authorization === undefined) return id && secret ? { id, secret } : 'none';
  if (secret !== undefined) return 'ambiguous';
  const credentials = basicCredentials(authorization);
  if (credentials === undefined) return 'none';
  return id === undefined || id === credentials.id ? credentials : 'ambiguous';
}

/** A parameter that comes twice is parsed as a list (RFC 6749, section 3.2: it must not). */
const isOnce = (value: unknown): value is string | undefined => value === undefined || typeof value === 'string';

const BASIC = /^Basic ([A-Za-z0-9+/]+={0,2})$/i;

function basicCredentials(header: string): ClientCredentials | undefined {
  const encoded = BASIC.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  if (!isUtf8(bytes)) return undefined;
  const text = bytes.toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  const id = formDecoded(text.slice(0, colon));
  const secret = formDecoded(text.slice(colon + 1));
  return id && secret ? { id, secret } : undefined;
}

function formDecoded(text: string): string | undefined {
  if (!text.includes('%') && !text.includes('+')) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}
