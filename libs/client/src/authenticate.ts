import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { forgetInKeyring, keepInKeyring, readKeyring } from './authenticate-keyring.js';

export interface AuthenticateOptions {
  /** Of the portal, such as `https://rescind.example.com`. Plain http only on this machine. */
  portal: string;
  /** The identity provider's id, `idp_…`. */
  provider: string;
  /** Shown to the person who is asked: letters, digits, blank and `._@-`, 60 at most. */
  clientName: string;
  /**
   * Where the tokens are kept, readable by this user alone; null: nowhere. Default: in the system's keyring, and where there is
   * none in `~/.config/rescind`.
   */
  file?: string | null;
  /** Opens the URL for the person. Default: the system's browser, where there is one; false: never. */
  openBrowser?: ((url: string) => void) | false;
  /** Tells the person where to sign in, and the code to compare. Default: a line on stderr. */
  tell?: (where: { url: string; code: string }) => void;
  /** false: whoever is not signed in is not asked to. Default: true. */
  interactive?: boolean;
  signal?: AbortSignal;
}

/** Who it is, as the portal has judged it: signature, claims and revocation. */
export interface Identity {
  providerId: string;
  user: { id: string; email: string; firstName: string | null; lastName: string | null };
  organizationId: string | null;
  sessionId: string | null;
  accessToken: string;
  /** Of the access token; null where it does not say. */
  expiresAt: Date | null;
}

/** Nobody is signed in. `code` is the portal's, or `not_signed_in` where nobody was to be asked. */
export class NotAuthenticated extends Error {
  override readonly name = 'NotAuthenticated';
  constructor(
    readonly code: string,
    detail?: string,
  ) {
    super(detail ? `${code}: ${detail}` : code);
  }
}

/** The portal, or what it needs, does not answer: whether somebody is signed in is not known. */
export class AuthenticationUnavailable extends Error {
  override readonly name = 'AuthenticationUnavailable';
}

interface Answer {
  provider_id: string;
  user: { id: string; email: string; first_name: string | null; last_name: string | null };
  organization_id: string | null;
  session_id: string | null;
  access_token: string;
  refresh_token: string;
  expires_at: string | null;
}

/** A token that ends sooner is renewed. */
const RENEW_BEFORE_MS = 60_000;
const REQUEST_TIMEOUT_MS = 15_000;

/**
 * For tools on a person's machine: the person signs in with AuthKit in a browser, here or on another machine, and the tool gets
 * who it is and an access token. What was got before is used as long as it is good, and renewed.
 *
 * The way is RFC 8628, bound to this process by PKCE (RFC 7636): what the portal hands out, it hands out once, and only to
 * whoever has the verifier. Throws {@link NotAuthenticated} or {@link AuthenticationUnavailable}.
 */
export async function authenticate(options: AuthenticateOptions): Promise<Identity> {
  const base = baseOf(options);
  if (options.file === null) return identityOf(await askThePerson(base, options));
  const place = placeOf(base, options.file);
  const known = await read(place);
  if (known && !endsSoon(known)) return identityOf(known);
  return exclusively(place.file, options.signal, async () => {
    const kept = await read(place); // another process may have been at it
    if (kept && !endsSoon(kept)) return identityOf(kept);
    // A refresh token is good for one use: what comes for it is written before it is used.
    const answer = (kept && (await renew(base, kept, options.signal))) ?? (await askThePerson(base, options));
    await keep(place, answer);
    return identityOf(answer);
  });
}

/** Forgets what was kept on this machine. */
export async function forget(options: Pick<AuthenticateOptions, 'portal' | 'provider' | 'file'>): Promise<void> {
  if (options.file === null) return;
  const { file, keyring } = placeOf(baseOf(options), options.file);
  if (keyring !== undefined) await forgetInKeyring(keyring);
  await rm(file, { force: true });
}

function baseOf({ portal, provider }: Pick<AuthenticateOptions, 'portal' | 'provider'>): string {
  const url = new URL(portal);
  const isHere = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isHere)) {
    throw new TypeError('portal must be an https:// URL, or http:// on this machine');
  }
  return `${url.href.replace(/\/+$/, '')}/auth/${encodeURIComponent(provider)}/device`;
}

async function askThePerson(base: string, options: AuthenticateOptions): Promise<Answer> {
  if (options.interactive === false) throw new NotAuthenticated('not_signed_in', 'Somebody has to sign in first.');
  const { signal } = options;
  const verifier = randomBytes(32).toString('base64url');
  const begun = await post<{
    device_code: string;
    user_code: string;
    verification_uri_complete: string;
    expires_in: number;
    interval: number;
  }>(
    `${base}/authorize`,
    {
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
      client_name: options.clientName,
    },
    signal,
  );
  if (!begun.ok) throw new NotAuthenticated(begun.code, begun.detail);
  const { device_code, user_code, verification_uri_complete: url, expires_in } = begun.body;
  // The address comes from the portal; whatever is opened on this machine has to be the portal's.
  if (!url.startsWith(`${base}?`) && new URL(url).protocol !== new URL(base).protocol) {
    throw new NotAuthenticated('answer_malformed', 'The portal names an address of another kind.');
  }
  (options.tell ?? tellOnStderr)({ url, code: user_code });
  if (options.openBrowser !== false) (options.openBrowser ?? openInBrowser)(url);

  const deadline = Date.now() + expires_in * 1_000;
  for (let waitMs = begun.body.interval * 1_000; Date.now() < deadline;) {
    await delay(waitMs, undefined, signal ? { signal } : {});
    const asked = await post<Answer>(`${base}/token`, { device_code, code_verifier: verifier }, signal).catch(
      (error: unknown) => {
        // The sign-in goes on without us; the portal may be back in time.
        if (error instanceof AuthenticationUnavailable) return undefined;
        throw error;
      },
    );
    if (asked?.ok) return asked.body;
    if (asked?.code === 'slow_down') waitMs += 1_000;
    else if (asked && asked.code !== 'authorization_pending') throw new NotAuthenticated(asked.code, asked.detail);
  }
  throw new NotAuthenticated('expired_token', 'Nobody signed in in time.');
}

/** Undefined where somebody has to sign in again. */
async function renew(base: string, kept: Answer, signal: AbortSignal | undefined): Promise<Answer | undefined> {
  const renewed = await post<Answer>(`${base}/refresh`, { refresh_token: kept.refresh_token }, signal);
  if (renewed.ok) return renewed.body;
  if (renewed.code === 'rate_limited') throw new AuthenticationUnavailable('rate_limited');
  return undefined;
}

type Outcome<T> = { ok: true; body: T } | { ok: false; code: string; detail?: string };

async function post<T>(url: string, body: object, signal: AbortSignal | undefined): Promise<Outcome<T>> {
  const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  let status: number;
  let text: string;
  try {
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'error',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    status = response.status;
    text = await response.text();
  } catch (error) {
    signal?.throwIfAborted();
    throw new AuthenticationUnavailable('the portal does not answer', { cause: error });
  }
  if (status >= 500) throw new AuthenticationUnavailable(`the portal answered ${status}`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new AuthenticationUnavailable(`the portal answered ${status}, and not in JSON`);
  }
  if (status < 300) return { ok: true, body: json as T };
  const { code = `status_${status}`, detail } = json as { code?: string; detail?: string };
  return { ok: false, code, ...(detail === undefined ? {} : { detail }) };
}

const endsSoon = ({ expires_at }: Answer): boolean =>
  expires_at === null || !(Date.parse(expires_at) - Date.now() > RENEW_BEFORE_MS);

const identityOf = (answer: Answer): Identity => ({
  providerId: answer.provider_id,
  user: {
    id: answer.user.id,
    email: answer.user.email,
    firstName: answer.user.first_name,
    lastName: answer.user.last_name,
  },
  organizationId: answer.organization_id,
  sessionId: answer.session_id,
  accessToken: answer.access_token,
  expiresAt: answer.expires_at === null ? null : new Date(answer.expires_at),
});

/** Where tokens are kept; other processes wait for each other beside the file, also where it is not used. */
interface Place {
  /** The name in the keyring; undefined: in the file alone. */
  keyring: string | undefined;
  file: string;
}

function placeOf(base: string, file: string | undefined): Place {
  if (file !== undefined) return { keyring: undefined, file };
  const config = process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config');
  const name = createHash('sha256').update(base).digest('hex').slice(0, 16);
  return { keyring: base, file: join(config, 'rescind', `${name}.json`) };
}

/** What ends last: where the keyring could not be had for a while, the file may hold what is newer. */
async function read({ keyring, file }: Place): Promise<Answer | undefined> {
  const texts = await Promise.all([keyring === undefined ? undefined : readKeyring(keyring), readOwn(file)]);
  const ends = ({ expires_at }: Answer): number => (expires_at === null ? 0 : Date.parse(expires_at));
  return texts.flatMap((text) => answerIn(text) ?? []).sort((a, b) => ends(b) - ends(a))[0];
}

/** What cannot be read is as good as nothing. */
function answerIn(text: string | undefined): Answer | undefined {
  try {
    const kept = JSON.parse(text ?? '') as Partial<Answer>;
    return kept.access_token && kept.refresh_token && kept.user ? (kept as Answer) : undefined;
  } catch {
    return undefined;
  }
}

/** What others can read was not written by us, and is not believed. */
async function readOwn(file: string): Promise<string | undefined> {
  try {
    const { mode } = await stat(file);
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) return undefined;
    return await readFile(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** In one place alone: the keyring where it takes it, else the file. */
async function keep({ keyring, file }: Place, answer: Answer): Promise<void> {
  const text = JSON.stringify(answer);
  if (keyring !== undefined && (await keepInKeyring(keyring, `Rescind sign-in: ${answer.user.email}`, text))) {
    await rm(file, { force: true });
    return;
  }
  await write(file, text);
}

/** Nobody ever reads a half of it, and nobody else reads it at all. */
async function write(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const whole = `${file}.${randomBytes(4).toString('hex')}`;
  await writeFile(whole, text, { mode: 0o600, flag: 'wx' });
  await chmod(whole, 0o600);
  await rename(whole, file);
}

/** Nobody holds it longer than a sign-in takes. */
const LOCK_MAX_AGE_MS = 11 * 60_000;

/** One process at a time: two that used the same refresh token would both lose it. */
async function exclusively<T>(file: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  const lock = `${file}.lock`;
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  for (;;) {
    try {
      await writeFile(lock, String(process.pid), { flag: 'wx', mode: 0o600 });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (await isAbandoned(lock)) await rm(lock, { force: true });
      else await delay(100, undefined, signal ? { signal } : {});
    }
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

async function isAbandoned(lock: string): Promise<boolean> {
  const [taken, holder] = await Promise.all([
    stat(lock).catch(() => undefined),
    readFile(lock, 'utf8').catch(() => ''),
  ]);
  if (!taken) return false;
  return Date.now() - taken.mtimeMs > LOCK_MAX_AGE_MS || (holder !== '' && !isRunning(Number(holder)));
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function tellOnStderr({ url, code }: { url: string; code: string }): void {
  process.stderr.write(`To sign in, open\n\n  ${url}\n\nand compare the code: ${code}\n`);
}

/** Where there is no browser, the person has the URL. */
function openInBrowser(url: string): void {
  if (process.platform === 'linux' && !process.env['DISPLAY'] && !process.env['WAYLAND_DISPLAY']) return;
  const [command, ...args] =
    process.platform === 'darwin'
      ? ['open', url]
      : process.platform === 'win32'
        ? ['rundll32', 'url.dll,FileProtocolHandler', url]
        : ['xdg-open', url];
  const child = spawn(command!, args, { stdio: 'ignore', detached: true });
  child.on('error', () => undefined);
  child.unref();
}
