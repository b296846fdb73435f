/** An identity provider, as the portal of Rescind has it. */
export interface Provider {
  /** Rescind's id of it: `idp_…`. */
  id: string;
  /** What its tokens say in `iss`, exactly. */
  issuers: readonly string[];
  /** Its keys, for `verify`: https, plain http only on this machine. */
  jwksUri?: string;
  /** Default: `workos`, whose tokens all have a session. */
  kind?: 'workos' | 'oidc';
  /** What `client_id` must be where a token has that claim. */
  clientId?: string;
  /** What a token's `aud` may be, where it has one; default: the client id. */
  audience?: readonly string[];
  /** Whether a token without `aud` is refused. Those of WorkOS often have none. */
  requireAudience?: boolean;
  /** Default: `RS256` alone. */
  algorithms?: readonly string[];
  /** Where a token says whose it is; default `sub`, `org_id`, `sid`. `o.id` is the member of a claim. */
  claims?: { userId?: string; organizationId?: string; sessionId?: string };
  /** Default: 5. */
  clockToleranceSeconds?: number;
  /** Whether tokens of somebody who acts as another (`act`) are good. Default: no. */
  allowImpersonation?: boolean;
}
