/** What this transmitter says: CAEP 1.0, RISC 1.0 and SSF 1.0. What nothing tells us (credential-compromise) is never sent. */
export const CAEP_SESSION_REVOKED = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked';
export const CAEP_TOKEN_CLAIMS_CHANGE = 'https://schemas.openid.net/secevent/caep/event-type/token-claims-change';
export const RISC_ACCOUNT_DISABLED = 'https://schemas.openid.net/secevent/risc/event-type/account-disabled';
export const RISC_ACCOUNT_ENABLED = 'https://schemas.openid.net/secevent/risc/event-type/account-enabled';
export const RISC_ACCOUNT_PURGED = 'https://schemas.openid.net/secevent/risc/event-type/account-purged';
export const SSF_VERIFICATION = 'https://schemas.openid.net/secevent/ssf/event-type/verification';
/** Never sent: nobody but the receiver changes the status of a stream of ours. Others say so. */
export const SSF_STREAM_UPDATED = 'https://schemas.openid.net/secevent/ssf/event-type/stream-updated';

/** `events_supported` of every stream. Verification needs no asking. */
export const SUPPORTED_EVENTS: readonly string[] = [
  CAEP_SESSION_REVOKED,
  CAEP_TOKEN_CLAIMS_CHANGE,
  RISC_ACCOUNT_DISABLED,
  RISC_ACCOUNT_ENABLED,
  RISC_ACCOUNT_PURGED,
];

/** OpenID Connect Back-Channel Logout 1.0, section 2.4. */
export const BACKCHANNEL_LOGOUT = 'http://schemas.openid.net/event/backchannel-logout';

/** Global Token Revocation has no name for what it sends; ours, for the log. */
export const TOKEN_REVOCATION = 'token-revocation';

/** Of webhooks: somebody's access has ended; an account that was closed is open again. */
export const ACCESS_REVOKED = 'access.revoked';
export const ACCOUNT_REOPENED = 'account.reopened';
export const WEBHOOK_EVENTS: readonly string[] = [ACCESS_REVOKED, ACCOUNT_REOPENED];
