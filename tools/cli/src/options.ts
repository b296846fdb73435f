/** Every option of every command, by its name. `value`: what follows it; `file` where it is the path of one. */
export const OPTIONS = {
  user: { says: 'whose access: a user id', value: 'id' },
  organization: { says: 'the access of an organization, or of the user within it', value: 'id' },
  session: { says: 'one sign-in', value: 'id' },
  provider: { says: 'the identity provider, where several have it', value: 'id' },
  reason: { says: 'why; it is kept in the audit', value: 'text' },
  keys: { says: 'a JWK Set, or the thumbprint of a key', value: 'file' },
  yes: { says: 'do it; without it nothing is changed' },
  json: { says: 'an answer for programs' },
  help: { says: 'what there is' },
} as const satisfies Record<string, { says: string; value?: 'id' | 'text' | 'file' }>;
export type OptionName = keyof typeof OPTIONS;

/** What a person said. */
export interface Options {
  user?: string | undefined;
  organization?: string | undefined;
  session?: string | undefined;
  provider?: string | undefined;
  reason?: string | undefined;
  keys?: string | undefined;
  yes: boolean;
  json: boolean;
  help: boolean;
}
