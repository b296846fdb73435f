import { readFile } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { type Completed, completionFor, SHELLS } from './completion.js';
import { type CanaryFacts, diagnose, type Finding } from './diagnose.js';
import { canaryOf, examine, keysMissingOf, sourcesOf, streamsOf } from './doctor.js';
import { ask, Ended, expectGood, get, type Installation, isOptional, SERVICES } from './installation.js';
import { type Options, type OptionName } from './options.js';
import { sayVerdict, verifyReceipt } from './verify-receipt.js';

/** Answers the exit code. */
type Run = (installation: Installation, operands: string[], options: Options) => Promise<number>;

/** A command as it is run, checked and completed. */
export interface Command extends Completed {
  /** Words behind the command, at most; left out: none. */
  most?: 1;
  run: Run;
}

const MARKS: Record<Finding['level'], string> = {
  ok: 'ok      ',
  warning: 'warning ',
  problem: 'PROBLEM ',
  unknown: 'unknown ',
};

const print = (options: Options, value: unknown, lines: readonly string[]): void =>
  console.log(options.json ? JSON.stringify(value, null, 2) : lines.join('\n'));

const canaryLine = ({ status, last }: CanaryFacts): string => {
  if (status === 'not_configured') return 'is not configured';
  if (!last) return 'has not run yet';
  return status === 'refused'
    ? `refused ${last.refused_ms} ms after its webhook, at ${last.at}`
    : `NOT REFUSED at ${last.at}: ${last.problem ?? 'it is not said why'}`;
};

/** Is everything ready, when was a revocation last tried out, and is anybody still to be told? */
const status: Run = async (installation, _, options) => {
  const looked = SERVICES.filter((service) => installation.urls[service] !== undefined || !isOptional(service));
  const [canary, streams, sources] = await Promise.all([
    canaryOf(installation),
    streamsOf(installation),
    sourcesOf(installation),
  ]);
  const services = await Promise.all(
    looked.map(async (service) => {
      try {
        const { status, body } = await ask(installation, service, 'GET', '/health/ready');
        const missing = (body?.missing ?? {}) as Record<string, string>;
        return { service, ready: status === 200, missing, keysMissing: keysMissingOf(body) };
      } catch (error) {
        if (!(error instanceof Ended)) throw error;
        return { service, ready: false, missing: { answer: error.message }, keysMissing: [] };
      }
    }),
  );
  const lines = services.map(({ service, ready, missing, keysMissing }) => {
    const why = Object.entries(missing).map(([what, problem]) => `${what}: ${problem}`);
    if (keysMissing.length > 0) why.push(`no keys of ${keysMissing.join(', ')}`);
    return `${ready ? 'ready    ' : 'NOT READY'}  ${service.padEnd(18)}  ${why.join('; ')}`.trimEnd();
  });
  const ready = services.every((service) => service.ready);
  const told = streams && {
    streams: streams.length,
    pending: streams.reduce((sum, { pending }) => sum + pending, 0),
    refused: streams.reduce((sum, { refused }) => sum + refused, 0),
    sources: sources?.length ?? 0,
    sources_failing: sources?.filter(({ poll }) => poll !== null && poll.failures > 0).length ?? 0,
  };
  if (canary) lines.push(`canary     ${canaryLine(canary)}`);
  if (told) {
    lines.push(`signals    ${told.streams} stream(s), ${told.pending} wait to be told, ${told.refused} refused`);
    if (told.sources > 0) lines.push(`sources    ${told.sources}, ${told.sources_failing} cannot be polled`);
  }
  print(options, { ready, services, canary: canary ?? null, signals: told ?? null }, lines);
  return ready ? 0 : 1;
};

/** What is wrong, and what to do about it. */
const doctor: Run = async (installation, _, options) => {
  const findings = diagnose(await examine(installation));
  const of = (level: Finding['level']): number => findings.filter((finding) => finding.level === level).length;
  const [problems, warnings, unknown] = [of('problem'), of('warning'), of('unknown')];
  const lines = findings.map(({ level, about, says }) => `${MARKS[level]} ${about}: ${says}`);
  const summary = `${of('ok')} ok, ${warnings} warning(s), ${problems} problem(s), ${unknown} unknown`;
  print(options, { problems, warnings, unknown, findings }, [...lines, '', summary]);
  return problems > 0 ? 1 : unknown > 0 ? 3 : 0;
};

const query = (parameters: Record<string, string | undefined>): string => {
  const given = Object.entries(parameters).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
};

interface User {
  id: string;
  provider_id: string;
  status: string;
  email: string | null;
  name: string | null;
}

const userLine = ({ status, id, email, name }: User): string =>
  [status.padEnd(8), id, email ?? '', name ?? ''].filter((part) => part !== '').join('  ');

const users: Run = async (installation, [q], options) => {
  const path = `/v1/users${query({ q, provider_id: options.provider, limit: '100' })}`;
  const found = (await get(installation, 'grants', path)) as { data: User[]; next_cursor: string | null };
  const more = found.next_cursor === null ? [] : ['… and more; give the beginning of an id, an address or a name.'];
  print(options, found, found.data.length === 0 ? ['Nobody.'] : [...found.data.map(userLine), ...more]);
  return found.data.length > 0 ? 0 : 1;
};

interface UserDetails extends User {
  memberships: { organization_id: string; organization_name: string | null; status: string; role: string | null }[];
  sessions: { id: string; revoked_at: string | null; last_seen_at: string | null }[];
  grants: { active: number; total: number };
  scopes: { scope: string; closed: boolean; closed_at: string | null; reason?: string | null }[];
}

const user: Run = async (installation, [id], options) => {
  if (id === undefined) throw new Ended(2, 'Give the id of a user: rescind user user_01…');
  const path = `/v1/users/${encodeURIComponent(id)}${query({ provider_id: options.provider })}`;
  const found = (await get(installation, 'grants', path)) as UserDetails;
  print(options, found, [
    userLine(found),
    `grants: ${found.grants.active} active of ${found.grants.total}`,
    ...found.memberships.map(
      ({ organization_id, organization_name, status, role }) =>
        `member of ${organization_name ?? organization_id}: ${[status, role].filter(Boolean).join(', ')}`,
    ),
    ...found.sessions.map(
      ({ id, revoked_at, last_seen_at }) =>
        `session ${id}: ${revoked_at === null ? `last seen ${last_seen_at ?? 'never'}` : `revoked ${revoked_at}`}`,
    ),
    ...found.scopes.filter(({ closed }) => closed).map(({ scope, closed_at }) => `closed: ${scope} since ${closed_at}`),
  ]);
  return 0;
};

/** Says what would end; with `--yes` it ends. */
const revoke: Run = async (installation, _, options) => {
  const { user, organization, session, provider, reason, yes } = options;
  if ([user, organization, session].every((id) => id === undefined)) {
    throw new Ended(2, 'Whose access? --user <id>, --organization <id>, both, or --session <id>.');
  }
  if (reason === undefined || reason.trim() === '')
    throw new Ended(2, 'Say why: --reason "…". It is kept in the audit.');
  const body = {
    user_id: user,
    organization_id: organization,
    session_id: session,
    provider_id: provider,
    reason,
    dry_run: !yes,
  };
  const answer = expectGood('grants', await ask(installation, 'grants', 'POST', '/v1/revocations', body)) as {
    scope: string;
    revoked_grants: number;
  };
  const what = `${answer.scope}: ${answer.revoked_grants} active grant(s) and every token issued until now`;
  print(options, answer, [yes ? `Ended. ${what}.` : `Would end ${what}. Nothing was done; add --yes to do it.`]);
  return 0;
};

/** 0 active, 1 refused, 3 not known. */
const verifyToken: Run = async (installation, [given], options) => {
  const token = (given === undefined || given === '-' ? await readAll(process.stdin) : given).trim();
  if (token === '') throw new Ended(2, 'Give a token, as an argument or on stdin.');
  const path = '/v1/tokens/verify';
  const answer = await ask(installation, 'token-verification', 'POST', path, { token });
  const verdict = expectGood('token-verification', answer) as {
    active: boolean;
    reason?: string;
    user_id?: string;
    organization_id?: string;
    session_id?: string;
    provider_id?: string;
  };
  const { active, reason, user_id, organization_id, session_id, provider_id } = verdict;
  print(options, verdict, [
    active
      ? `active: user ${user_id}${organization_id ? `, organization ${organization_id}` : ''}${session_id ? `, session ${session_id}` : ''}, provider ${provider_id}`
      : `refused: ${reason}`,
  ]);
  return active ? 0 : 1;
};

/** 0 proved, 1 refused, 3 nobody vouches for the key, 4 they still have access. Asks nobody. */
const verifyReceiptFile: Run = async (_, [path], options) => {
  if (path === undefined) throw new Ended(2, 'Give a file: rescind verify-receipt receipt.json');
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Ended(2, `${path} cannot be read (${error.code}).`);
  });
  const verdict = await verifyReceipt(text, options.keys);
  print(options, verdict, sayVerdict(verdict));
  return verdict.code;
};

interface Revocation {
  id: string;
  announced_at: string;
  scope: string;
  reason: string | null;
  actor: string;
  closed_at: string | null;
}

const TAIL_EVERY_MS = 1_000;
const PAGE = 100;

/** Each revocation as it is committed, oldest first; with `--json` a line each. Goes on while grants is away. */
const tail: Run = async (installation, _, options) => {
  let newest: bigint | undefined;
  for (;;) {
    try {
      const found = await newerThan(installation, newest, options.provider);
      for (const revocation of newest === undefined ? [] : found.reverse()) {
        const { announced_at, scope, reason, actor } = revocation;
        console.log(
          options.json ? JSON.stringify(revocation) : `${announced_at}  ${scope}  ${reason ?? 'opened'}  by ${actor}`,
        );
      }
      newest = found.reduce((max, { id }) => (numberOf(id) > max ? numberOf(id) : max), newest ?? 0n);
    } catch (error) {
      if (!(error instanceof Ended) || error.code !== 3 || newest === undefined) throw error;
      console.error(`${error.message} Trying again.`);
    }
    await delay(TAIL_EVERY_MS);
  }
};

const numberOf = (id: string): bigint => BigInt(id.replace(/^revocation_/, ''));

/** Newest first. The first time only the newest page, to know where to begin. */
async function newerThan(installation: Installation, newest: bigint | undefined, provider: string | undefined) {
  const found: Revocation[] = [];
  for (let cursor: string | undefined; ;) {
    const path = `/v1/revocations${query({ provider_id: provider, limit: String(PAGE), cursor })}`;
    const page = (await get(installation, 'grants', path)) as { data: Revocation[]; next_cursor: string | null };
    const news = page.data.filter(({ id }) => newest === undefined || numberOf(id) > newest);
    found.push(...news);
    if (newest === undefined || news.length < page.data.length || page.next_cursor === null) return found;
    cursor = page.next_cursor;
  }
}

const completion: Run = async (_, [shell]) => {
  const known = SHELLS.find((one) => one === shell);
  if (!known) throw new Ended(2, `For which shell? rescind completion ${SHELLS.join('|')}`);
  console.log(completionFor(known, { ...COMMANDS, replay: REPLAY }));
  return 0;
};

const EVERYWHERE: readonly OptionName[] = ['json', 'help'];

/** Every command by its name. It is refused what is not among its options; shells complete by this table. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  status: { says: 'is everything ready?', options: EVERYWHERE, run: status },
  doctor: { says: 'what is wrong, and what to do about it', options: EVERYWHERE, run: doctor },
  users: { says: 'people by id, address or name', options: ['provider', ...EVERYWHERE], most: 1, run: users },
  user: { says: 'one person: sessions, memberships, grants', options: ['provider', ...EVERYWHERE], most: 1, run: user },
  revoke: {
    says: 'end access, or say what would end',
    options: ['user', 'organization', 'session', 'provider', 'reason', 'yes', ...EVERYWHERE],
    run: revoke,
  },
  'verify-token': { says: 'is this token good?', options: EVERYWHERE, most: 1, run: verifyToken },
  'verify-receipt': {
    says: 'does this receipt prove it? Asks nobody',
    options: ['keys', ...EVERYWHERE],
    operand: 'file',
    most: 1,
    run: verifyReceiptFile,
  },
  tail: { says: 'follow revocations', options: ['provider', ...EVERYWHERE], run: tail },
  completion: { says: 'what a shell reads to complete', options: ['help'], operand: 'shell', most: 1, run: completion },
};

/** Has settings and options of its own, which it says itself. */
export const REPLAY: Completed = { says: 'the state computed anew and compared', options: ['help'] };
