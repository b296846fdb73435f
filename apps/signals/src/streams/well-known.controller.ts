import { Controller, Get, Header, Inject } from '@nestjs/common';
import { z } from 'zod';
import { Public } from '#platform/api-key.guard.js';
import { CONFIG, type SignalsConfig } from '../config.js';
import { RECEIVER_SCOPES } from '../receivers/access-tokens.js';
import { Signing } from '../sending/signing.js';
import { POLL, PUSH } from './ssf-views.js';

export const ssfConfiguration = z.object({
  spec_version: z.string(),
  issuer: z.string(),
  jwks_uri: z.string(),
  delivery_methods_supported: z.array(z.string()),
  configuration_endpoint: z.string(),
  status_endpoint: z.string(),
  add_subject_endpoint: z.string(),
  remove_subject_endpoint: z.string(),
  verification_endpoint: z.string(),
  authorization_schemes: z.array(z.object({ spec_urn: z.string() })),
  default_subjects: z.enum(['ALL', 'NONE']),
});
export const authorizationServer = z.object({
  issuer: z.string(),
  token_endpoint: z.string(),
  grant_types_supported: z.array(z.string()),
  token_endpoint_auth_methods_supported: z.array(z.string()),
  scopes_supported: z.array(z.string()),
  response_types_supported: z.array(z.string()),
});
export const protectedResource = z.object({
  resource: z.string(),
  authorization_servers: z.array(z.string()),
  scopes_supported: z.array(z.string()),
  bearer_methods_supported: z.array(z.string()),
});
export const jwks = z.object({ keys: z.array(z.looseObject({ kid: z.string(), kty: z.string() })) });

/** How receivers find everything else. */
@Public()
@Controller('.well-known')
export class WellKnownController {
  constructor(
    private readonly signing: Signing,
    @Inject(CONFIG) private readonly config: Pick<SignalsConfig, 'issuer'>,
  ) {}

  /** Transmitter configuration metadata (SSF 1.0, section 7.1). */
  @Get('ssf-configuration')
  transmitter(): z.infer<typeof ssfConfiguration> {
    const { issuer } = this.config;
    return {
      spec_version: '1_0',
      issuer,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      delivery_methods_supported: [PUSH, POLL],
      configuration_endpoint: `${issuer}/ssf/streams`,
      status_endpoint: `${issuer}/ssf/status`,
      add_subject_endpoint: `${issuer}/ssf/subjects/add`,
      remove_subject_endpoint: `${issuer}/ssf/subjects/remove`,
      verification_endpoint: `${issuer}/ssf/verification`,
      authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }, { spec_urn: 'urn:ietf:rfc:6750' }],
      default_subjects: 'ALL',
    };
  }

  /** RFC 8414. */
  @Get('oauth-authorization-server')
  authorizationServer(): z.infer<typeof authorizationServer> {
    const { issuer } = this.config;
    return {
      issuer,
      token_endpoint: `${issuer}/oauth2/token`,
      grant_types_supported: ['client_credentials'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
      scopes_supported: [...RECEIVER_SCOPES],
      response_types_supported: [],
    };
  }

  /** RFC 9728. */
  @Get('oauth-protected-resource')
  protectedResource(): z.infer<typeof protectedResource> {
    const { issuer } = this.config;
    return {
      resource: issuer,
      authorization_servers: [issuer],
      scopes_supported: [...RECEIVER_SCOPES],
      bearer_methods_supported: ['header'],
    };
  }

  @Get('jwks.json')
  @Header('cache-control', 'public, max-age=300')
  jwks(): Promise<object> {
    return this.signing.jwks();
  }
}
