import { Body, Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { z } from 'zod';
import { ALGORITHMS, AUDIENCE_POLICIES, claimMappings } from '#contracts/identity-provider.js';
import { Problem } from '#platform/problem.js';
import { valid } from '#platform/validation.js';
import { discover, type DiscoveryParts } from '#workos/discovery.js';
import { IssuerRefused } from '#workos/issuer-shape.js';
import { PortalMetrics } from '../portal-metrics.js';

/** What one question may fetch with; its time begins when this is called. */
export type IssuerFetch = () => DiscoveryParts;
export const ISSUER_FETCH = Symbol('what fetches of an issuer');

export const discoverRequest = z.strictObject({ issuer: z.string().max(4_000) });

export const discoveryView = z.object({
  kind: z.enum(['workos', 'oidc']),
  vendor: z.enum(['workos', 'authkit', 'auth0', 'okta', 'entra', 'keycloak', 'clerk', 'google', 'unknown']),
  /** What was pasted, as its tokens carry it. */
  issuer: z.string(),
  issuers: z.array(z.string()),
  client_id: z.string().nullable(),
  jwks_uri: z.string().nullable(),
  jwks_uri_source: z.enum(['discovered', 'workos']).nullable(),
  endpoints: z.record(z.string(), z.string()),
  claim_mappings: claimMappings,
  /** The group claim is to be looked at by a person before the first sign-in. */
  confirmation_required: z.literal(true),
  audience_suggestions: z.array(z.string()),
  audience_policy: z.enum(AUDIENCE_POLICIES),
  algorithms: z.array(z.enum(ALGORITHMS)),
  warnings: z.array(z.object({ code: z.string(), message: z.string() })),
});

@Controller('v1/identity-providers/discover')
export class DiscoveryController {
  constructor(
    @Inject(ISSUER_FETCH) private readonly issuerFetch: IssuerFetch,
    private readonly metrics: PortalMetrics,
  ) {}

  /** 422 where something else must be pasted: `detail` says what. Neither kept nor logged is what was pasted. */
  @Post()
  @HttpCode(200)
  async discover(
    @Body(valid(discoverRequest)) { issuer }: z.output<typeof discoverRequest>,
  ): Promise<z.output<typeof discoveryView>> {
    try {
      const found = await discover(issuer, this.issuerFetch());
      this.metrics.discovered(found.vendor);
      return found;
    } catch (error) {
      if (!(error instanceof IssuerRefused)) throw error;
      this.metrics.discovered(error.code);
      throw new Problem(422, error.code, error.message, {
        extra: error.suggestion === undefined ? {} : { suggestion: error.suggestion },
      });
    }
  }
}
