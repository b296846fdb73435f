import { parseTime } from '#contracts/moment.js';
import { checkTimes } from '#providers/check-claims.js';
import { TokenCache } from '#providers/token-cache.js';
import { type Access, judge } from '#revocation/judge.js';
import { scopesOf } from '#revocation/scope.js';
import { merge, type ScopeState } from '#revocation/scope-state.js';
import type { Provider } from './provider.js';
import { type CheckedToken, checkToken, ProvidersByIssuer, ProviderTokens } from './provider-tokens.js';
import type { Proof, Source } from './source.js';
import { type Claims, type Holder, RescindUnknown, type Revocation, type Verdict } from './verdict.js';

export interface RescindOptions {
  source: Source;
  /** Whose tokens are judged. Left out: those of the installation, as they are now; of a source that tells them, as the stream does. */
  providers?: readonly Provider[];
  /** How old the newest proof may be before nothing is known any more, ms. Default 5000. */
  maxStalenessMs?: number;
  /**
   * Tokens whose checked signature is remembered (10,000, of 4 kB at most), and for how long (300 s): so long a key that was
   * withdrawn may serve on. Their revocation and their times are looked at each time.
   */
  cache?: { max?: number; seconds?: number };
  /** What went wrong and is tried again; for a log. */
  onProblem?: (error: Error) => void;
}

export interface Rescind {
  /** Resolves once the view is fresh; rejects with `RescindUnknown` after `timeoutMs` (default 30,000). */
  ready(timeoutMs?: number): Promise<void>;
  /** Whether anything can be said now. */
  isFresh(): boolean;
  /** The moment up to which everything is known, RFC 3339: what somebody else may be asked for by {@link atLeast}. */
  asOf(): string | null;
  /** Resolves once everything up to this moment is known; rejects with `RescindUnknown` after `timeoutMs` (default 5000). */
  atLeast(asOf: string, timeoutMs?: number): Promise<void>;
  /**
   * Why access by these claims, which somebody has checked, is void; undefined where it is not. Claims that do not say whose
   * they are void it too. Throws `RescindUnknown` where it cannot know.
   */
  isRevoked(claims: Claims): Revocation | undefined;
  /** Checks and judges a token; at once where it was checked before. Never throws for what a token is. */
  verify(token: string): Verdict | Promise<Verdict>;
  /** Scopes that are known. */
  size(): number;
  close(): Promise<void>;
}

/** A token that was checked, as it is remembered. */
interface Remembered extends CheckedToken {
  access: Access;
  active: Verdict;
  /** Until when its signature need not be checked again, by `performance.now()`. */
  until: number;
}

const STALE: Verdict = { kind: 'unknown', code: 'view_stale' };

/** A view of all revocations in this process, and the one rule over it. Begins to fill at once; see {@link Rescind.ready}. */
export function createRescind(options: RescindOptions): Rescind {
  const { source, maxStalenessMs = 5_000 } = options;
  const { max = 10_000, seconds = 300 } = options.cache ?? {};
  const problem = (error: Error): void => options.onProblem?.(error);
  if (!options.providers && !source.tellsProviders) throw new TypeError('name the providers: this source tells none');
  let providers = new ProvidersByIssuer((options.providers ?? []).map((one) => new ProviderTokens(one, problem)));
  let areProvidersKnown = options.providers !== undefined;
  const states = new Map<string, ScopeState>();
  const stateOf = (scope: string): ScopeState | undefined => states.get(scope);
  const cache = new TokenCache<Remembered>(max);
  const waiting = new Set<() => void>();
  let proof: (Proof & { atMs: number }) | undefined;
  let closed = false;

  source.open({
    state: (scope, state) => {
      const known = states.get(scope);
      states.set(scope, known ? merge(known, state) : state);
    },
    providers: (told) => {
      if (options.providers) return;
      providers = providers.changedTo(told, problem);
      areProvidersKnown = true;
    },
    proved: (next) => {
      const atMs = parseTime(next.at);
      if (Number.isNaN(atMs) || (proof && atMs < proof.atMs)) return;
      proof = { ...next, atMs };
      for (const wake of waiting) wake();
    },
    problem,
  });

  /** By the clock on the wall, and by the one that nobody can set: a proof that was long on its way is old too. */
  function isFresh(): boolean {
    if (!proof || !areProvidersKnown || closed) return false;
    const age = Math.max(Date.now() - proof.atMs, proof.ageMs + performance.now() - proof.receivedAt);
    return age <= maxStalenessMs;
  }

  function accessOf(providerId: string, holder: Omit<Holder, 'providerId' | 'claims'> & { issuedAt: number }): Access {
    return {
      kind: 'token',
      issuedAt: Math.floor(holder.issuedAt) * 1_000,
      scopes: scopesOf({ providerId, ...holder }),
    };
  }

  function revocationOf(access: Access): Revocation | undefined {
    const verdict = judge(access, stateOf);
    return verdict.void ? { reason: verdict.reason, scope: verdict.scope } : undefined;
  }

  function concluded({ provider, subject, access, active }: Remembered): Verdict {
    if (!isFresh()) return STALE;
    const late = checkTimes(subject, provider.toleranceSeconds, Date.now());
    if (late !== undefined) return { kind: 'refused', reason: late };
    const revocation = revocationOf(access);
    return revocation ? { kind: 'refused', reason: revocation.reason } : active;
  }

  async function check(token: string): Promise<Verdict> {
    const before = providers;
    const checked = await checkToken(token, before);
    if (before !== providers) return check(token);
    if ('kind' in checked) return checked;
    const { provider, claims } = checked;
    const { userId, organizationId, sessionId, issuedAt } = checked.subject;
    const holder = { userId, organizationId, sessionId };
    const remembered: Remembered = {
      ...checked,
      access: accessOf(provider.id, { ...holder, issuedAt }),
      active: { kind: 'active', holder: { providerId: provider.id, ...holder, claims } },
      until: performance.now() + seconds * 1_000,
    };
    cache.set(token, remembered);
    return concluded(remembered);
  }

  function isRevoked(claims: Claims): Revocation | undefined {
    if (!isFresh()) throw new RescindUnknown('view_stale');
    const issuing = providers.of(claims['iss']);
    if (issuing.length === 0) return { reason: 'issuer_unknown' };
    // Where several share an issuer nobody has said whose it is: what any of them has revoked is.
    for (const provider of issuing) {
      const access = provider.accessOf(claims);
      if (typeof access === 'string') return { reason: access };
      const { userId, organizationId, sessionId, issuedAt } = access;
      const revocation = revocationOf(accessOf(provider.id, { userId, organizationId, sessionId, issuedAt }));
      if (revocation) return revocation;
    }
    return undefined;
  }

  /** Resolves when `holds` does, which is asked again at each proof. */
  async function until(holds: () => boolean, timeoutMs: number): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        waiting.delete(wake);
      };
      const wake = (): void => {
        if (!holds()) return;
        finish();
        resolve();
      };
      const timer = setTimeout(() => {
        finish();
        reject(new RescindUnknown('view_stale'));
      }, timeoutMs);
      waiting.add(wake);
    });
  }

  return {
    ready: (timeoutMs = 30_000) => until(isFresh, timeoutMs),
    isFresh,
    asOf: () => proof?.at ?? null,
    atLeast: (asOf, timeoutMs = 5_000) => {
      const atMs = parseTime(asOf);
      if (Number.isNaN(atMs)) return Promise.reject(new TypeError('asOf is no time of RFC 3339'));
      return until(() => isFresh() && proof!.atMs >= atMs, timeoutMs);
    },
    isRevoked,
    verify: (token) => {
      if (!isFresh()) return STALE;
      const known = cache.get(token);
      const holds = known && performance.now() < known.until && providers.has(known.provider);
      return holds ? concluded(known) : check(token);
    },
    size: () => states.size,
    close: async () => {
      closed = true;
      await source.close();
    },
  };
}
