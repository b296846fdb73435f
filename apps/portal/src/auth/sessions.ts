import { randomBytes } from 'node:crypto';
import { sha256 } from '#platform/api-key.guard.js';
import type { Database } from '#platform/database.js';
import type { Logger } from '#platform/logging.js';
import {
  deleteOldSessions,
  deleteSession,
  insertSession,
  markSeen,
  offerToken,
  readSession,
  readSessionById,
  type SessionPerson,
  type SessionRow,
  takeToken,
} from './sessions.sql.js';
import { newId } from '../providers/webhook-secret.js';

export interface SessionLimits {
  /** Without a request for so long, it is over. */
  idleMs: number;
  /** It is over whatever happens. */
  maxMs: number;
  /** How long one token is the session's. */
  rotateMs: number;
}

/** Requests that were under way while the token changed still carry the one before. */
const GRACE_MS = 60_000;
/** What was offered may not have come in: the answer got lost. */
const OFFER_AGAIN_MS = 30_000;
/** As exact as the time of the last request is kept. */
const SEEN_EVERY_MS = 10_000;

export type Standing = 'live' | 'due' | 'taken' | 'idle' | 'over' | 'reused';

/**
 * What a session is worth when a token of it comes in. due: it is time for another token; taken: the browser has the one
 * that it was offered; reused: a token that was replaced comes again, so two have it, and one of them has stolen it.
 */
export function standingOf(
  row: Pick<SessionRow, 'given' | 'age_ms' | 'idle_ms' | 'rotated_ms'>,
  limits: SessionLimits,
): Standing {
  if (row.age_ms >= limits.maxMs) return 'over';
  if (row.idle_ms >= limits.idleMs) return 'idle';
  if (row.given === 'next') return 'taken';
  if (row.given === 'previous') return row.rotated_ms < GRACE_MS ? 'live' : 'reused';
  return row.rotated_ms >= limits.rotateMs ? 'due' : 'live';
}

export interface LiveSession {
  id: string;
  csrfToken: string;
  /** Of the API key that it was opened with; null: it is a person's. */
  keySha256: string | null;
  person: SessionPerson | null;
}

/** Sessions of browsers: only digests of their tokens are kept. Throws `DatabaseUnavailable`. */
export class Sessions {
  constructor(
    private readonly database: Database,
    readonly limits: SessionLimits,
    private readonly logger: Logger,
  ) {}

  /** A new one with a token that nobody has seen before; answers the token. */
  async open(of: { keySha256: string } | { person: (id: string) => SessionPerson }): Promise<string> {
    const token = newToken();
    const id = newId('ses');
    const session = {
      id,
      tokenSha256: sha256(token),
      csrfToken: newToken(),
      keySha256: 'person' in of ? null : of.keySha256,
      person: 'person' in of ? of.person(id) : null,
    };
    await this.database.transaction(async (tx) => {
      await deleteOldSessions(tx, this.limits);
      await insertSession(tx, session);
    });
    this.logger.info({ session_id: session.id }, 'session opened');
    return token;
  }

  /** The session of a token, and the token that the browser is to have from now on, where it is time for another one. */
  async resume(token: string): Promise<{ session: LiveSession; nextToken?: string } | undefined> {
    const given = sha256(token);
    const row = await this.database.read((tx) => readSession(tx, given));
    if (!row) return undefined;
    const session = sessionOf(row);
    const standing = standingOf(row, this.limits);
    switch (standing) {
      case 'live':
        if (row.idle_ms > SEEN_EVERY_MS) await this.database.transaction((tx) => markSeen(tx, row.id));
        return { session };
      case 'taken':
        await this.database.transaction((tx) => takeToken(tx, row.id, given));
        return { session };
      case 'due': {
        const nextToken = newToken();
        const offered = await this.database.transaction((tx) =>
          offerToken(tx, row.id, sha256(nextToken), { afterMs: OFFER_AGAIN_MS }),
        );
        return offered ? { session, nextToken } : { session };
      }
      case 'idle':
      case 'over':
      case 'reused':
        await this.end(row.id, standing);
        return undefined;
    }
  }

  /** Without making it last any longer. */
  async live(id: string): Promise<LiveSession | undefined> {
    const row = await this.database.read((tx) => readSessionById(tx, id));
    return row && row.age_ms < this.limits.maxMs && row.idle_ms < this.limits.idleMs ? sessionOf(row) : undefined;
  }

  async end(id: string, why: string): Promise<void> {
    await this.database.transaction((tx) => deleteSession(tx, id));
    this.logger.info({ session_id: id, why }, 'session ended');
  }
}

const sessionOf = (row: SessionRow): LiveSession => ({
  id: row.id,
  csrfToken: row.csrf_token,
  keySha256: row.key_sha256,
  person: personOf(row),
});

function personOf({ provider_id, user_id, email, email_verified, tokens }: SessionRow): SessionPerson | null {
  if (provider_id === null || user_id === null || tokens === null) return null;
  return { providerId: provider_id, userId: user_id, email, emailVerified: email_verified === true, tokens };
}

const newToken = (): string => randomBytes(32).toString('base64url');
