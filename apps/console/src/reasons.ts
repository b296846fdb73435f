/** Each reason that access can end or a token be refused for: what it means, and what to do about it. */
interface Meaning {
  title: string;
  /** For whoever asks why. */
  means: string;
  todo: string;
}

const MEANINGS: Record<string, Meaning> = {
  user_deprovisioned: {
    title: 'The user was deleted',
    means: 'WorkOS says that this person is gone. Everything they had ended then, for ever.',
    todo: 'Nothing, where the person has left. Somebody who comes back is a new user with new access.',
  },
  user_suspended: {
    title: 'The user is suspended',
    means: 'The person carries the mark that this provider’s suspension rule names.',
    todo: 'Take the mark off in WorkOS; then they sign in again, and ask for new grants.',
  },
  membership_deleted: {
    title: 'No longer a member',
    means: 'The person has left the organization that this access was obtained within.',
    todo: 'Invite them again in WorkOS, where that was a mistake; older access stays ended.',
  },
  membership_inactive: {
    title: 'The membership is inactive',
    means: 'The company’s directory deactivated the person. This is how enterprise offboarding arrives.',
    todo: 'Reactivate the membership in the company’s directory, where that was a mistake; then sign in again.',
  },
  role_changed: {
    title: 'The role has changed',
    means: 'The token carries permissions of a role that the person does not have any more. Grants stay.',
    todo: 'Refresh the session or sign in again: the new token carries the new role.',
  },
  session_revoked: {
    title: 'The session was ended',
    means: 'This sign-in was revoked: by the person who signed out, or by an administrator.',
    todo: 'Sign in again.',
  },
  organization_deleted: {
    title: 'The organization was deleted',
    means: 'All access that was obtained within the organization ended with it.',
    todo: 'Nothing, where the organization is gone.',
  },
  expired: {
    title: 'Expired',
    means: 'Its time is over, as was said when it was issued.',
    todo: 'Refresh the session, or sign in again. Tokens of AuthKit live for minutes.',
  },
  not_yet_valid: {
    title: 'Not valid yet',
    means: 'The token begins in the future.',
    todo: 'Compare the clocks: whoever issued it is ahead, or this machine is behind.',
  },
  malformed: {
    title: 'Not a token',
    means: 'This is not a signed JWT, or one with parts that contradict each other.',
    todo: 'Copy the whole access token: three parts with dots between them, beginning with eyJ.',
  },
  signature_invalid: {
    title: 'The signature is wrong',
    means: 'No key of the provider signed exactly this text.',
    todo: 'Copy the token once more. Where it comes from another environment, that one’s provider must be added.',
  },
  algorithm_not_allowed: {
    title: 'The algorithm is not allowed',
    means: 'The token is signed in a way that this provider’s settings do not accept.',
    todo: 'Look at the provider’s algorithms. Never allow one only because a token asks for it.',
  },
  issuer_unknown: {
    title: 'The issuer is unknown',
    means: 'No identity provider has exactly this issuer. Issuers are compared letter by letter.',
    todo: 'Add the provider, or compare the issuer with the one that stands in its settings.',
  },
  audience_mismatch: {
    title: 'Made for somebody else',
    means: 'The token’s audience is not one that this provider’s settings name.',
    todo: 'Compare aud with the provider’s audience. A token for another application must stay refused.',
  },
  claim_missing: {
    title: 'A claim is missing',
    means: 'The token lacks a claim that the provider’s settings require, such as the session’s.',
    todo: 'Look at the JWT template of the provider, and at the required claims here.',
  },
  subject_missing: {
    title: 'Whose it is cannot be told',
    means: 'The claim that names the user is not in the token.',
    todo: 'Look at the claim mappings of the provider.',
  },
  impersonation_not_allowed: {
    title: 'Somebody acts as another person',
    means: 'The token was obtained by impersonation, which this provider’s settings do not allow.',
    todo: 'Allow impersonation in the provider’s settings, where your support needs it.',
  },
  view_stale: {
    title: 'Not known right now',
    means: 'What was revoked lately may not have arrived here, so nobody is let in until it has.',
    todo: 'Look at Health: the age of the view, and what is away.',
  },
  keys_unavailable: {
    title: 'Not known right now',
    means: 'The provider’s keys cannot be had, so nobody is let in until they can.',
    todo: 'Is the key set’s address right, and does the provider answer? It is asked again by itself.',
  },
  revoked_by_hand: {
    title: 'Revoked by hand',
    means: 'Somebody with access to this installation revoked it.',
    todo: 'Ask whoever did it: their name stands beside it.',
  },
};

/** A reason in somebody's own words means what it says. */
export function meaningOf(reason: string): Meaning {
  return (
    MEANINGS[reason] ?? {
      title: reason.replaceAll('_', ' '),
      means: /^[a-z_]+$/.test(reason) ? '' : 'Revoked by hand, in these words.',
      todo: 'Ask whoever did it: their name stands beside it.',
    }
  );
}

const OUTCOMES: Record<string, string> = {
  applied: 'It changes who has access.',
  no_effect: 'Kept for the record; it changes nobody’s access.',
  shadow: 'Its provider is in shadow mode: what it would have ended is listed, and nothing has ended.',
  unknown_type: 'A type that Rescind does not know: kept, counted, without effect.',
};
export const outcomeMeans = (outcome: string): string => OUTCOMES[outcome] ?? '';

const SET_ASIDE: Record<string, string> = {
  event_malformed: 'It says too little, or contradicts itself: whom it is about cannot be told.',
  record_malformed: 'Not an envelope that Rescind writes: something else publishes to this topic.',
};
export const setAsideMeans = (reason: string): string =>
  SET_ASIDE[reason] ?? 'No retry can make it acceptable as it is.';

const DELIVERY_REFUSALS: Record<string, string> = {
  signature_mismatch:
    'The signature was made with another secret. Paste the signing secret of exactly this endpoint, or delete the old endpoint in WorkOS.',
  signature_missing: 'It had no WorkOS-Signature header: something other than WorkOS called the URL.',
  signature_malformed: 'Its WorkOS-Signature header is not one: something between WorkOS and here rewrites headers.',
  signature_stale: 'Its signature is more than five minutes old: compare the clock of this machine with the world’s.',
  body_malformed: 'Its body is not a WorkOS event.',
  broker_unavailable: 'Kafka was away, so it was not taken; WorkOS sends it again.',
};
export const deliveryRefusal = (code: string): string => DELIVERY_REFUSALS[code] ?? code.replaceAll('_', ' ');
