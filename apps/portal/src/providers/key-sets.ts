import { WORKOS_API } from '#workos/issuer-shape.js';
import { clientIdOf, type KeySet, type NewProvider } from './provider-settings.js';

export type KeySetQuestion = Pick<NewProvider, 'kind' | 'issuers' | 'client_id' | 'jwks_uri' | 'api_base_url'>;

/** Asks an issuer for its `jwks_uri`; undefined where it does not answer. */
export type AskForKeySet = (issuer: string) => Promise<string | undefined>;

/**
 * Where a provider's keys are: as given, else as the issuer's own discovery says, else at WorkOS's documented path, else at
 * `<issuer>/.well-known/jwks.json`. WorkOS's own issuers are not asked: their discovery names that same path.
 */
export async function findKeySet(given: KeySetQuestion, ask: AskForKeySet): Promise<KeySet> {
  if (given.jwks_uri) return { jwks_uri: given.jwks_uri, jwks_uri_source: 'given' };
  const clientId = clientIdOf(given);
  const documented =
    given.kind === 'workos' && clientId !== null
      ? `${(given.api_base_url ?? WORKOS_API).replace(/\/+$/, '')}/sso/jwks/${encodeURIComponent(clientId)}`
      : undefined;
  const issuer = given.issuers[0]!;
  if (documented !== undefined && (issuer === WORKOS_API || issuer.startsWith(`${WORKOS_API}/`))) {
    return { jwks_uri: documented, jwks_uri_source: 'workos' };
  }
  const discovered = await ask(issuer);
  if (discovered !== undefined) return { jwks_uri: discovered, jwks_uri_source: 'discovered' };
  if (documented !== undefined) return { jwks_uri: documented, jwks_uri_source: 'workos' };
  return { jwks_uri: `${issuer.replace(/\/+$/, '')}/.well-known/jwks.json`, jwks_uri_source: 'well_known' };
}
