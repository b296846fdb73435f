import type { KeyObject } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { backoffMs } from '#kafka/backoff.js';
import type { Logger } from '#platform/logging.js';
import { type Algorithm, importKey, jwkSet, type VerificationKey } from './jwk.js';
import type { SharedKeySets } from './shared-key-sets.js';

export interface KeySetSettings {
  /** How often the source is asked, ms: a key that it has withdrawn is dropped within this time. */
  refreshMs: number;
  /** How long an unknown `kid` waits before it makes us ask again, ms. */
  cooldownMs: number;
  /** How long keys may be used while the source cannot be reached, ms. */
  maxAgeMs: number;
}

export interface KeySetParts {
  url: string;
  settings: KeySetSettings;
  fetch(url: string): Promise<unknown>;
  /** What others were told there. */
  shared: Pick<SharedKeySets, 'of' | 'share'>;
  now(): number;
  logger: Pick<Logger, 'warn' | 'info'>;
}

/** While the source cannot be asked, a token makes us try again after this. */
const RETRY_MS = 1_000;
/** While there are no keys the source is tried again without any token, at first after `RETRY_MS`, then more and more rarely. */
const MOST_RETRY_MS = 60_000;

export type Found = VerificationKey | 'unknown' | 'unavailable';

/**
 * The keys of one address (RFC 7517): kept, asked for again in time without anybody waiting, asked for at once where a
 * `kid` is new (a rotation) but no oftener than the cooldown says, and by one request at a time. While the source is away
 * what any verifier was last told is used up to `maxAgeMs`; after that, and before there is any, nothing is known:
 * `unavailable`.
 */
export class KeySet {
  private keys: VerificationKey[] = [];
  private imported: { jwk: unknown; key: VerificationKey | undefined }[] = [];
  private fetchedAt = -Infinity;
  private triedAt = -Infinity;
  private failing = false;
  private fetching: Promise<void> | undefined;
  private begun: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(private readonly parts: KeySetParts) {}

  /** When the source last said which keys there are, ms; -Infinity: never. */
  get asOf(): number {
    return this.fetchedAt;
  }

  /** From now on it is asked for again in time, whether or not anybody needs it. */
  start(): void {
    void this.prepare().then(() => this.refreshInTime());
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  /** Whether a token can be checked at all. */
  isUsable(now = this.parts.now()): boolean {
    return this.keys.length > 0 && now - this.fetchedAt < this.parts.settings.maxAgeMs;
  }

  /** Others were told keys: of use to one that cannot be told them by the source. */
  async hear(): Promise<void> {
    if (this.failing || !this.isUsable()) await this.takeShared();
  }

  /** The key for a token; a token without `kid` gets one only where there is just one that fits. */
  async find(kid: string | undefined, algorithm: Algorithm): Promise<Found> {
    const known = this.peek(kid, algorithm);
    if (known) return known;
    await this.prepare();
    if (!this.isUsable()) await this.refreshAfterCooldown();
    else if (!this.match(kid, algorithm)) await this.refreshAfterCooldown();
    if (!this.isUsable()) return 'unavailable';
    const found = this.match(kid, algorithm);
    if (found) return found;
    // It may be a key that the source has made since; while it cannot be asked, nobody knows.
    return this.failing ? 'unavailable' : 'unknown';
  }

  /** Without waiting for anybody; undefined where it would have to. */
  peek(kid: string | undefined, algorithm: Algorithm): VerificationKey | undefined {
    return this.isUsable() ? this.match(kid, algorithm) : undefined;
  }

  /** Whether a key that has verified something is still among the keys. */
  holds(key: KeyObject, now = this.parts.now()): boolean {
    if (!this.isUsable(now)) return false;
    for (const candidate of this.keys) if (candidate.key === key) return true;
    return false;
  }

  private match(kid: string | undefined, algorithm: Algorithm): VerificationKey | undefined {
    let fitting: VerificationKey | undefined;
    for (const key of this.keys) {
      if (!key.algorithms.includes(algorithm) || (kid !== undefined && key.kid !== kid)) continue;
      if (kid !== undefined) return key;
      if (fitting) return undefined;
      fitting = key;
    }
    return fitting;
  }

  private refreshInTime(attempt = 1): void {
    if (this.stopped) return;
    const { refreshMs } = this.parts.settings;
    const retryMs = Math.min(refreshMs, backoffMs(attempt, RETRY_MS, MOST_RETRY_MS));
    const refresh = (): void => void this.refresh().then(() => this.refreshInTime(this.isUsable() ? 1 : attempt + 1));
    this.timer = setTimeout(refresh, this.isUsable() ? refreshMs : retryMs).unref();
  }

  /** Resolves once there are keys, or the source and the others were asked and had none. */
  prepare(): Promise<void> {
    this.begun ??= (async () => {
      const asked = this.refresh();
      await Promise.race([asked, this.takeShared()]);
      if (!this.isUsable()) await asked;
    })();
    return this.begun;
  }

  private async refreshAfterCooldown(): Promise<void> {
    const pauseMs = this.failing ? RETRY_MS : this.parts.settings.cooldownMs;
    if (this.fetching || this.parts.now() - this.triedAt >= pauseMs) await this.refresh();
  }

  private refresh(): Promise<void> {
    this.fetching ??= this.fetchOnce().finally(() => (this.fetching = undefined));
    return this.fetching;
  }

  private async fetchOnce(): Promise<void> {
    const { url, fetch, shared, now, logger } = this.parts;
    this.triedAt = now();
    try {
      const { keys } = jwkSet.parse(await fetch(url));
      const fetchedAt = now();
      // Also a set without a usable key is what the source says: nothing is verified any more, and nobody gets in.
      this.take(keys, fetchedAt);
      if (this.keys.length === 0) throw new Error('there is no key in the set that can check signatures');
      this.failing = false;
      shared.share(url, { fetchedAt, keys });
    } catch (error) {
      this.failing = true;
      await this.takeShared();
      const age_s = Math.round((now() - this.fetchedAt) / 1000);
      logger.warn(
        { err: error, jwks_uri: url, age_s: Number.isFinite(age_s) ? age_s : null },
        'the keys could not be fetched',
      );
    }
  }

  /** What others were told, where that is newer. Their clocks may be ahead of ours; no key is from the future. */
  private async takeShared(): Promise<void> {
    const shared = await this.parts.shared.of(this.parts.url);
    if (shared && shared.fetchedAt > this.fetchedAt)
      this.take(shared.keys, Math.min(shared.fetchedAt, this.parts.now()));
  }

  /** A key that is the same as before stays the same object, so what it has verified stays verified. */
  private take(raw: unknown[], fetchedAt: number): void {
    const imported = raw.map((jwk) => {
      const known = this.imported.find((entry) => isDeepStrictEqual(entry.jwk, jwk));
      return known ?? { jwk, key: importKey(jwk) };
    });
    this.imported = imported;
    this.keys = imported.flatMap(({ key }) => key ?? []);
    this.fetchedAt = fetchedAt;
  }
}
