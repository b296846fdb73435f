/** Why input was rejected; stable, for machines. */
export type RejectionCode =
  | 'signature_missing'
  | 'signature_malformed'
  | 'signature_stale'
  | 'signature_mismatch'
  | 'body_malformed'
  | 'record_malformed'
  | 'event_malformed';

/** Input no retry can make acceptable. Carries a code for machines and never the input itself. */
export class Rejected extends Error {
  override readonly name = 'Rejected';
  /** @param detail what to look at, for a person: names of fields, never their values. */
  constructor(
    readonly code: RejectionCode,
    readonly detail?: string,
  ) {
    super(detail ? `${code}: ${detail}` : code);
  }
}
