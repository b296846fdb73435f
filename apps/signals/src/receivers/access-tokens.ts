import { createLocalJWKSet, errors, jwtVerify } from 'jose';
import { z } from 'zod';
import { checked } from '#contracts/checked.js';
import { Database } from '#platform/database.js';
import { readReceiver, type ReceiverRow } from './receivers.sql.js';
import { Signing } from '../sending/signing.js';

/** What a receiver may do with its streams (CAEP Interoperability Profile 1.0, section 2.7.2). */
export const RECEIVER_SCOPES = ['ssf.read', 'ssf.manage'] as const;
export type ReceiverScope = (typeof RECEIVER_SCOPES)[number];

/** Short-lived, as the CAEP Interoperability Profile asks for (section 2.7.1): at most an hour. */
export const TOKEN_SECONDS = 900;
const TYP = 'at+jwt';

const tokenClaims = z.object({ sub: z.string(), scope: z.string(), key: z.string() });

/** Access tokens (RFC 9068) for receivers that would rather not send their key with each request. */
export class AccessTokens {
  constructor(
    private readonly database: Database,
    private readonly signing: Signing,
    private readonly issuer: string,
  ) {}

  issue(receiver: ReceiverRow, scopes: readonly ReceiverScope[], now: Date): Promise<string> {
    const iat = Math.floor(now.getTime() / 1000);
    return this.signing.sign(TYP, {
      iss: this.issuer,
      aud: this.issuer,
      sub: receiver.id,
      client_id: receiver.id,
      scope: scopes.join(' '),
      iat,
      exp: iat + TOKEN_SECONDS,
      key: mark(receiver),
    });
  }

  /** Whose token it is, and for what; undefined where it is none of ours, has expired, or its receiver is no more. */
  async read(token: string): Promise<{ receiver: ReceiverRow; scopes: readonly ReceiverScope[] } | undefined> {
    const keys = createLocalJWKSet(await this.signing.jwks());
    const options = { issuer: this.issuer, audience: this.issuer, typ: TYP, algorithms: ['RS256'] };
    const claims = await jwtVerify(token, keys, options).then(
      ({ payload }) => payload,
      (error: unknown) => {
        if (error instanceof errors.JOSEError) return undefined;
        throw error;
      },
    );
    const parsed = checked(tokenClaims, claims);
    if (!parsed.success) return undefined;
    const { sub, scope, key } = parsed.data;
    const receiver = await this.database.read((tx) => readReceiver(tx, sub));
    return receiver && key === mark(receiver) ? { receiver, scopes: scope.split(' ') as ReceiverScope[] } : undefined;
  }
}

/** A token dies with the key that it was got for. */
const mark = ({ sha256 }: ReceiverRow): string => sha256.slice(0, 16);
