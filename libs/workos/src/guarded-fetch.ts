import { lookup as systemLookup } from 'node:dns/promises';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { BlockList, isIP, isIPv4, type LookupFunction } from 'node:net';

export type FetchRefusal =
  | 'url_invalid'
  | 'scheme_not_allowed'
  | 'credentials_in_url'
  | 'host_disguised'
  | 'address_not_allowed'
  | 'host_unknown'
  | 'timeout'
  | 'redirected'
  | 'too_large'
  | 'tls_failed'
  | 'unreachable';

/** Why a URL that somebody pasted was not fetched. Says nothing of what an answer held. */
export class FetchRefused extends Error {
  override readonly name = 'FetchRefused';
  constructor(
    readonly code: FetchRefusal,
    options?: ErrorOptions,
  ) {
    super(code, options);
  }
}

export interface HostAddress {
  address: string;
  family: number;
}

export interface GuardedFetchOptions {
  /** Loopback and private addresses may be reached, and these without TLS. For development. */
  allowLocalHosts: boolean;
  /** From the question to the last byte, DNS included. Default 5000 ms. */
  timeoutMs?: number;
  /** Default 256 KiB. */
  maxBytes?: number;
  signal?: AbortSignal;
  /** Left out: a GET without more. */
  send?: { method: 'GET' | 'POST' | 'PATCH' | 'DELETE'; headers: Readonly<Record<string, string>>; body?: string };
  /** All addresses of a host. The system's, but in tests. */
  resolve?: (host: string) => Promise<HostAddress[]>;
}

export interface FetchedAnswer {
  status: number;
  /** Lower case, without parameters; empty where there is none. */
  contentType: string;
  /** `Retry-After`, as it was sent. */
  retryAfter?: string | undefined;
  body: Buffer;
}

/**
 * GET of a URL that a person pasted (or what is to be sent to it), so that it cannot be turned against our own network: https alone, no user in it, no
 * redirects, bounded in time and size. The host is resolved once, and the connection goes to just the address that was
 * checked, so a name that means something else a moment later (DNS rebinding) gains nothing. Throws {@link FetchRefused}.
 */
export async function guardedFetch(given: string, options: GuardedFetchOptions): Promise<FetchedAnswer> {
  const timeout = AbortSignal.timeout(options.timeoutMs ?? 5_000);
  const signal = options.signal ? AbortSignal.any([timeout, options.signal]) : timeout;
  try {
    const url = readUrl(given, options.allowLocalHosts);
    const address = await unlessAborted(signal, addressOf(url, options));
    return await ask(url, address, options, signal);
  } catch (error) {
    if (error instanceof FetchRefused) throw error;
    if (signal.aborted) throw new FetchRefused('timeout', { cause: error });
    throw new FetchRefused(isTlsError(error) ? 'tls_failed' : 'unreachable', { cause: error });
  }
}

function readUrl(given: string, allowLocalHosts: boolean): URL {
  const url = URL.parse(given);
  if (url === null) throw new FetchRefused('url_invalid');
  if (url.protocol !== 'https:' && !(allowLocalHosts && url.protocol === 'http:')) {
    throw new FetchRefused('scheme_not_allowed');
  }
  if (url.username !== '' || url.password !== '') throw new FetchRefused('credentials_in_url');
  // 2130706433, 0x7f.1 and 0177.0.0.1 are all read as 127.0.0.1; nobody writes a public address so in good faith.
  const host = hostOf(url);
  if (isIPv4(host) && !new RegExp(`^https?://${host.replaceAll('.', '\\.')}([:/?#]|$)`, 'i').test(given.trim())) {
    throw new FetchRefused('host_disguised');
  }
  return url;
}

const hostOf = (url: URL): string => url.hostname.replace(/^\[(.*)\]$/, '$1');

async function addressOf(url: URL, options: GuardedFetchOptions): Promise<HostAddress> {
  const { resolve = resolveBySystem, allowLocalHosts } = options;
  const host = hostOf(url);
  const family = isIP(host);
  const found = family > 0 ? [{ address: host, family }] : await resolve(host).catch(unknownHost);
  if (found.length === 0) throw new FetchRefused('host_unknown');
  for (const candidate of found) {
    const kind = kindOf(candidate.address);
    if (url.protocol === 'https:' && kind === 'public') return candidate;
    if (allowLocalHosts && kind === 'local') return candidate;
  }
  const anyPublic = found.some(({ address }) => kindOf(address) === 'public');
  throw new FetchRefused(anyPublic ? 'scheme_not_allowed' : 'address_not_allowed');
}

const resolveBySystem = (host: string): Promise<HostAddress[]> => systemLookup(host, { all: true, verbatim: true });

function unknownHost(error: unknown): never {
  throw new FetchRefused('host_unknown', { cause: error });
}

/** Rejects when `signal` aborts; a lookup by the system cannot be stopped, only left behind. */
async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let give: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    give = () => reject(new FetchRefused('timeout'));
    if (signal.aborted) give();
    signal.addEventListener('abort', give, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', give);
    work.catch(() => undefined);
  }
}

function ask(
  url: URL,
  { address, family }: HostAddress,
  { maxBytes = 256 * 1024, send = { method: 'GET', headers: {} } }: GuardedFetchOptions,
  signal: AbortSignal,
): Promise<FetchedAnswer> {
  // Whatever the host is called, this is where the connection goes; TLS still proves the name.
  const lookup: LookupFunction = (_host, options, done) =>
    options.all ? done(null, [{ address, family }]) : done(null, address, family);
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(
      url,
      {
        method: send.method,
        agent: false,
        lookup,
        signal,
        maxHeaderSize: 16 * 1024,
        headers: {
          accept: 'application/json, application/jwk-set+json',
          'accept-encoding': 'identity',
          'user-agent': 'rescind',
          ...send.headers,
          ...(send.body === undefined ? {} : { 'content-length': String(Buffer.byteLength(send.body)) }),
        },
      },
      (response) => {
        const { statusCode = 0, headers } = response;
        const refuse = (code: FetchRefusal): void => {
          reject(new FetchRefused(code));
          request.destroy();
        };
        if (statusCode >= 300 && statusCode < 400) return refuse('redirected');
        if (Number(headers['content-length'] ?? 0) > maxBytes) return refuse('too_large');
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > maxBytes) return refuse('too_large');
          chunks.push(chunk);
        });
        response.on('error', reject);
        response.on('end', () => {
          const contentType = (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
          resolve({ status: statusCode, contentType, retryAfter: headers['retry-after'], body: Buffer.concat(chunks) });
        });
      },
    );
    request.on('error', reject);
    request.end(send.body);
  });
}

function isTlsError(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return (
    typeof code === 'string' &&
    /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|EPROTO|HOSTNAME_MISMATCH|INVALID_CA)/.test(code)
  );
}

/**
 * local: loopback and private (RFC 1918, RFC 4193), which development may allow. special: whatever else is not the public
 * internet (IANA special-purpose registries), and is never reached: link-local with the clouds' metadata, carrier-grade NAT,
 * multicast, "this network", documentation, and forms of IPv6 that carry an IPv4 address inside.
 */
export type AddressKind = 'public' | 'local' | 'special';

export function kindOf(address: string): AddressKind {
  const family = isIP(address);
  if (family === 4)
    return LOCAL_4.check(address, 'ipv4') ? 'local' : SPECIAL_4.check(address, 'ipv4') ? 'special' : 'public';
  if (family !== 6 || address.includes('%')) return 'special';
  if (LOCAL_6.check(address, 'ipv6')) return 'local';
  // All that is public in IPv6 is allocated from 2000::/3.
  return GLOBAL_6.check(address, 'ipv6') && !SPECIAL_6.check(address, 'ipv6') ? 'public' : 'special';
}

// One list for each family: a list that holds both compares IPv4 with the mapped form, and would refuse all of it.
const LOCAL_4 = blockList('ipv4', ['10.0.0.0/8', '127.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']);
const SPECIAL_4 = blockList('ipv4', [
  '0.0.0.0/8',
  '100.64.0.0/10',
  '169.254.0.0/16',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
]);
const LOCAL_6 = blockList('ipv6', ['::1/128', 'fc00::/7']);
const GLOBAL_6 = blockList('ipv6', ['2000::/3']);
const SPECIAL_6 = blockList('ipv6', ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']);

function blockList(family: 'ipv4' | 'ipv6', networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [prefix, length] = network.split('/');
    list.addSubnet(prefix!, Number(length), family);
  }
  return list;
}
