import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { sha256 } from '#platform/api-key.guard.js';
import type { Database } from '#platform/database.js';
import { Problem } from '#platform/problem.js';
import { type EncryptionKeys, seal, unseal } from '#providers/sealing.js';
import { challengeOf, type SignedIn } from './auth-kit.js';
import { decideDevice, deleteDevice, insertDevice, pollDevice, readWaiting } from './device.sql.js';
import { newId } from '../providers/webhook-secret.js';

/** What a tool gets: who it is, as judged, and the tokens. */
export interface DeviceIdentity {
  provider_id: string;
  user: { id: string; email: string; first_name: string | null; last_name: string | null };
  organization_id: string | null;
  session_id: string | null;
  access_token: string;
  refresh_token: string;
  /** Of the access token, RFC 3339. */
  expires_at: string | null;
}

const MOST_WAITING = 10_000;
/** Seconds between two questions of a tool. */
export const POLL_SECONDS = 2;
/** Letters that make no words and are not taken for one another (RFC 8628, section 6.1). */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ';

/**
 * Tools that wait for a person to sign in, in a browser that may be on another machine (RFC 8628). What comes of it is handed
 * out once, and only to whoever holds both the device code and the PKCE verifier, which never left the tool.
 */
export class DeviceSignIns {
  constructor(
    private readonly database: Database,
    private readonly keys: EncryptionKeys,
  ) {}

  async begin(
    providerId: string,
    { codeChallenge, clientName }: { codeChallenge: string; clientName: string },
  ): Promise<{ deviceCode: string; userCode: string }> {
    const deviceCode = randomBytes(32).toString('base64url');
    const userCode = newUserCode();
    const device = {
      id: newId('dev'),
      deviceSha256: sha256(deviceCode),
      userCode,
      providerId,
      codeChallenge,
      clientName,
    };
    if (await this.database.transaction((tx) => insertDevice(tx, device, MOST_WAITING)))
      return { deviceCode, userCode };
    throw new Problem(503, 'too_many_waiting', 'Too many sign-ins are under way; try again later.', {
      headers: { 'retry-after': '60' },
    });
  }

  /** @param userCode as a person types it */
  async find(
    providerId: string,
    userCode: string,
  ): Promise<{ id: string; userCode: string; clientName: string } | undefined> {
    const letters = userCode.toUpperCase().replace(/[^A-Z]/g, '');
    if (letters.length !== 8) return undefined;
    const code = `${letters.slice(0, 4)}-${letters.slice(4)}`;
    const row = await this.database.read((tx) => readWaiting(tx, providerId, code));
    return row && { id: row.id, userCode: row.user_code, clientName: row.client_name };
  }

  /** Answers false where the tool does not wait any more. */
  grant(id: string, signedIn: SignedIn): Promise<boolean> {
    const sealed = seal(JSON.stringify(identityOf(signedIn)), ownerOf(id), this.keys);
    return this.database.transaction((tx) => decideDevice(tx, id, sealed));
  }

  async refuse(id: string): Promise<void> {
    await this.database.transaction((tx) => decideDevice(tx, id, null));
  }

  /**
   * Once. Throws 400 `authorization_pending`, `slow_down`, `expired_token` or `invalid_grant` (RFC 8628, section 3.5), 403
   * `access_denied`.
   */
  async collect(providerId: string, deviceCode: string, verifier: string): Promise<DeviceIdentity> {
    const outcome = await this.database.transaction(async (tx) => {
      const row = await pollDevice(tx, providerId, sha256(deviceCode));
      if (!row) return 'expired_token';
      if (!same(challengeOf(verifier), row.code_challenge)) return 'invalid_grant';
      if (!row.decided) {
        const tooSoon = row.polled_ms !== null && row.polled_ms < POLL_SECONDS * 500;
        return tooSoon ? 'slow_down' : 'authorization_pending';
      }
      await deleteDevice(tx, row.id);
      return row.result === null ? 'access_denied' : { id: row.id, result: row.result };
    });
    if (typeof outcome === 'string') throw pending(outcome);
    return JSON.parse(unseal(outcome.result, ownerOf(outcome.id), this.keys)) as DeviceIdentity;
  }
}

export function identityOf({ token, user, tokens }: SignedIn): DeviceIdentity {
  const { exp } = token.claims;
  return {
    provider_id: token.provider_id,
    user: {
      id: token.user_id,
      email: user.email,
      first_name: user.first_name ?? null,
      last_name: user.last_name ?? null,
    },
    organization_id: token.organization_id ?? null,
    session_id: token.session_id ?? null,
    access_token: tokens.access,
    refresh_token: tokens.refresh,
    expires_at: typeof exp === 'number' ? new Date(exp * 1_000).toISOString() : null,
  };
}

const DETAIL: Record<string, string> = {
  authorization_pending: 'Nobody has signed in yet; ask again.',
  slow_down: `Ask no more often than every ${POLL_SECONDS} s.`,
  expired_token: 'It is too old, or was collected already: begin again.',
  invalid_grant: 'The verifier is not the one of the challenge.',
  access_denied: 'The sign-in was refused.',
};

function pending(code: string): Problem {
  return new Problem(code === 'access_denied' ? 403 : 400, code, DETAIL[code], { extra: { error: code } });
}

const ownerOf = (id: string): string => `portal/device/${id}`;

function newUserCode(): string {
  const letters = Array.from({ length: 8 }, () => LETTERS[randomInt(LETTERS.length)]).join('');
  return `${letters.slice(0, 4)}-${letters.slice(4)}`;
}

function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
