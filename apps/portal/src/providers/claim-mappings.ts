import { z } from 'zod';
import type { SignInData } from '#contracts/sign-in.js';
import type { ProviderSettings } from './provider-settings.js';

export type ClaimMappings = ProviderSettings['claim_mappings'];

const MAPPED = ['user_id', 'organization_id', 'session_id'] as const;
export const mappedClaim = z.enum(MAPPED);

export const remap = z.object({ claim: mappedClaim, from: z.string(), to: z.string() });
export type Remap = z.output<typeof remap>;

/** Which of our ids would be read from another claim. */
export function remaps(before: ClaimMappings, after: ClaimMappings): Remap[] {
  return MAPPED.filter((claim) => before[claim] !== after[claim]).map((claim) => ({
    claim,
    from: before[claim],
    to: after[claim],
  }));
}

const EXAMPLES = 10;
/** More people than this are counted no further. */
const MOST_USERS = 200_000;

export const remapPreview = z.object({
  changes: z.array(z.object({ ...remap.shape, consequence: z.string() })),
  needs_confirm_remap: z.boolean(),
  /** Whether all sign-ins that are kept were looked at; where they were not, the counts are lower bounds. */
  complete: z.boolean(),
  /** The oldest sign-in that was looked at; sign-ins are kept for 30 days. */
  known_since: z.string().nullable(),
  /** Who signed in: each of their tokens is read anew. */
  affected: z.object({ users: z.int(), organizations: z.int(), sessions: z.int() }),
  /** By the newest token of each user: whether it has the new claims. */
  tokens: z.object({ with_claims: z.int(), without_claims: z.int(), unknown: z.int() }),
  /** Those whose tokens lack a claim first. */
  examples: z.array(
    z.object({
      user_id: z.string(),
      organization_id: z.string().nullable(),
      last_seen_at: z.string(),
      new_claims: z.enum(['present', 'missing', 'unknown']),
    }),
  ),
});
export type RemapPreview = z.output<typeof remapPreview>;
type NewClaims = RemapPreview['examples'][number]['new_claims'];

const CONSEQUENCES: Record<Remap['claim'], string> = {
  user_id:
    'Tokens belong to whom the new claim names; one that lacks it is refused (claim_missing). What WorkOS says of a user ' +
    'reaches only tokens whose claim holds the id of that user in WorkOS.',
  organization_id:
    'Tokens belong to the organization that the new claim names; one that lacks it belongs to none, and no end of a ' +
    'membership or an organization reaches it.',
  session_id:
    'Tokens belong to the session that the new claim names. One of WorkOS that lacks it is refused (claim_missing); ' +
    'another issuer’s is in no session, and the end of none reaches it.',
};

/** Counts whom a change of mappings would affect, one sign-in after the other. */
export class RemapCount {
  private readonly users = new Map<string, { organizationId: string | null; at: string; newClaims: NewClaims }>();
  private readonly organizations = new Set<string>();
  private readonly sessions = new Set<string>();
  private knownSince: string | null = null;
  private full = false;

  constructor(
    private readonly providerId: string,
    private readonly changes: readonly Remap[],
  ) {}

  count({ provider_id, user_id, organization_id, session_id, at, claims }: SignInData): void {
    if (provider_id !== this.providerId) return;
    if (this.knownSince === null || at < this.knownSince) this.knownSince = at;
    if (this.users.size >= MOST_USERS && !this.users.has(user_id)) {
      this.full = true;
      return;
    }
    if (organization_id !== undefined) this.organizations.add(organization_id);
    if (session_id !== undefined) this.sessions.add(session_id);
    const known = this.users.get(user_id);
    if (known && known.at > at) return;
    this.users.set(user_id, {
      organizationId: organization_id ?? null,
      at,
      newClaims: newClaimsIn(claims, this.changes),
    });
  }

  preview(needsConfirmRemap: boolean, readAll: boolean): RemapPreview {
    const all = [...this.users].map(([user_id, { organizationId, at, newClaims }]) => ({
      user_id,
      organization_id: organizationId,
      last_seen_at: at,
      new_claims: newClaims,
    }));
    const of = (newClaims: NewClaims): typeof all => all.filter(({ new_claims }) => new_claims === newClaims);
    const [missing, unknown, present] = [of('missing'), of('unknown'), of('present')];
    return {
      changes: this.changes.map((change) => ({ ...change, consequence: CONSEQUENCES[change.claim] })),
      needs_confirm_remap: needsConfirmRemap && this.changes.length > 0,
      complete: readAll && !this.full,
      known_since: this.knownSince,
      affected: { users: all.length, organizations: this.organizations.size, sessions: this.sessions.size },
      tokens: { with_claims: present.length, without_claims: missing.length, unknown: unknown.length },
      examples: [...missing, ...unknown, ...present].slice(0, EXAMPLES),
    };
  }
}

/** Whether a token has everything that it would be read by; `*` stands for whatever is below. */
function newClaimsIn(names: readonly string[] | undefined, changes: readonly Remap[]): NewClaims {
  if (names === undefined) return 'unknown';
  const has = (mapping: string): boolean => names.includes(mapping.replace(/\.\*.*$/, ''));
  return changes.every(({ to }) => has(to)) ? 'present' : 'missing';
}
