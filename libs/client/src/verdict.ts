/** The claims of a token whose signature somebody has checked. */
export type Claims = Readonly<Record<string, unknown>>;

/** Whose token it is, in Rescind's words. */
export interface Holder {
  providerId: string;
  userId: string;
  organizationId: string | undefined;
  sessionId: string | undefined;
  claims: Claims;
}

/** Why access is void: stable codes, such as `user_deprovisioned`, `membership_inactive`, `session_revoked`, `role_changed`. */
export interface Revocation {
  reason: string;
  /** What is closed: `<provider id>/user:<user id>`, `…/org:…`, `…/membership:…`, `…/session:…`. */
  scope?: string;
}

/** `unknown` is neither yes nor no: nobody is to be let in. */
export type Verdict =
  | { kind: 'active'; holder: Holder }
  /** A reason of a {@link Revocation}, or what is wrong with the token: the codes of `POST /v1/tokens/verify`. */
  | { kind: 'refused'; reason: string }
  | { kind: 'unknown'; code: UnknownCode };

/** view_stale: what was revoked lately may not be known here. keys_unavailable: the signature could not be checked. */
export type UnknownCode = 'view_stale' | 'keys_unavailable';

/** Thrown where it cannot be known. Answer 503, and let nobody in. */
export class RescindUnknown extends Error {
  override readonly name = 'RescindUnknown';
  constructor(readonly code: UnknownCode) {
    super(
      code === 'view_stale' ? 'what was revoked lately may not be known here' : 'the signature could not be checked',
    );
  }
}
