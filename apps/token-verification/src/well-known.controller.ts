import { Controller, Get, Header } from '@nestjs/common';
import { Public } from '#platform/api-key.guard.js';
import { Problem } from '#platform/problem.js';
import { AnswerSigner } from './answer-signer.js';

/** What we say of ourselves as an authorization server, which is only that we introspect. */
export class ServerMetadata {
  constructor(
    private readonly issuer: string | undefined,
    private readonly signer: AnswerSigner,
  ) {}

  /** RFC 8414, section 2, with the members of RFC 9701, section 7. Undefined where we have no name to go by. */
  document(): object | undefined {
    if (this.issuer === undefined) return undefined;
    const { algorithms } = this.signer;
    return {
      issuer: this.issuer,
      introspection_endpoint: `${this.issuer}/oauth2/introspect`,
      introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
      jwks_uri: `${this.issuer}/.well-known/jwks.json`,
      ...(algorithms.length > 0 ? { introspection_signing_alg_values_supported: algorithms } : {}),
      // Required, and there are none: nobody gets a token here.
      response_types_supported: [],
      grant_types_supported: [],
    };
  }
}

@Public()
@Controller('.well-known')
export class WellKnownController {
  constructor(
    private readonly metadata: ServerMetadata,
    private readonly signer: AnswerSigner,
  ) {}

  @Get('oauth-authorization-server')
  @Header('cache-control', 'public, max-age=300')
  describe(): object {
    const document = this.metadata.document();
    if (document) return document;
    throw new Problem(
      404,
      'issuer_not_configured',
      'Set RESCIND_INTROSPECTION_ISSUER to the URL that this service has.',
    );
  }

  /** The keys that check our signed answers: none where none is configured. */
  @Get('jwks.json')
  @Header('cache-control', 'public, max-age=300')
  keys(): object {
    return this.signer.jwks;
  }
}
