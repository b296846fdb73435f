import { z } from 'zod';
import { Problem } from '#platform/problem.js';
import type { ProviderRegistry } from '#providers/registry.js';
import type { Scope } from '#revocation/scope.js';
import { providersOf } from '../directory/directory.sql.js';
import type { Tx } from '#platform/sql.js';

/** Text without control characters, which neither keys nor logs take well. */
export const plainText = (longest: number) =>
  z
    .string()
    .min(1)
    .max(longest)
    .refine((text) => text.isWellFormed() && !/\p{Cc}/u.test(text), 'must hold no control characters');

export const id = plainText(255);

export interface Selector {
  provider_id?: string | undefined;
  user_id?: string | undefined;
  organization_id?: string | undefined;
  session_id?: string | undefined;
}

/** One scope, by what it is of. */
export const scopeSelector = {
  provider_id: id.optional(),
  user_id: id.optional(),
  organization_id: id.optional(),
  session_id: id.optional(),
};

/** A user, an organization, a session, or a user together with an organization: their membership. */
export function selectsOneScope(selector: Selector): boolean {
  const { user_id, organization_id, session_id } = selector;
  return session_id === undefined
    ? user_id !== undefined || organization_id !== undefined
    : user_id === undefined && organization_id === undefined;
}

export const ONE_SCOPE = 'give user_id, organization_id, both (the membership), or session_id';

/** `selector` must be one that {@link selectsOneScope}. */
export function scopeOf(providerId: string, { user_id, organization_id, session_id }: Selector): Scope {
  if (session_id !== undefined) return { kind: 'session', providerId, sessionId: session_id };
  if (user_id === undefined) return { kind: 'organization', providerId, organizationId: organization_id! };
  if (organization_id === undefined) return { kind: 'user', providerId, userId: user_id };
  return { kind: 'membership', providerId, userId: user_id, organizationId: organization_id };
}

/**
 * The provider that ids belong to: as given, else the only one there is, else the one that knows them.
 * Throws 400 `provider_required` where that is not exactly one.
 */
export async function providerOf(tx: Tx, registry: Pick<ProviderRegistry, 'all'>, selector: Selector): Promise<string> {
  if (selector.provider_id !== undefined) return selector.provider_id;
  const providers = registry.all();
  if (providers.length === 1) return providers[0]!.id;
  const known = await providersOf(tx, selector);
  if (known.length === 1) return known[0]!;
  throw new Problem(400, 'provider_required', 'Say which identity provider these ids belong to: provider_id.');
}
