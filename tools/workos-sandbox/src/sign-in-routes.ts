import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { ApiError } from './api-error.js';
import { revokeSession } from './directory.js';
import {
  authenticate,
  type AuthorizeRequest,
  issuerOf,
  noSignIns,
  problemOfAuthorize,
  redirectAfterLogin,
} from './sign-in.js';
import type { World } from './world.js';

const authorizeQuery = z.object({
  client_id: z.string().default(''),
  redirect_uri: z.string().default(''),
  response_type: z.string().default(''),
  state: z.string().optional(),
  provider: z.string().optional(),
  organization_id: z.string().optional(),
  connection_id: z.string().optional(),
  login_hint: z.string().optional(),
  code_challenge: z.string().optional(),
  code_challenge_method: z.string().optional(),
});

/** AuthKit's sign-in, the key set and the discovery document. */
export function addSignInRoutes(app: FastifyInstance, world: World): void {
  const signIns = noSignIns();
  const { clientId } = world.options;

  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) =>
    done(null, Object.fromEntries(new URLSearchParams(String(body)))),
  );
  app.get('/user_management/authorize', async ({ query, url }, reply) => {
    const request: AuthorizeRequest = authorizeQuery.parse(query);
    const problem = problemOfAuthorize(world, request);
    if (problem) throw new ApiError(400, { error: 'invalid_request', error_description: problem });
    if (request.login_hint !== undefined)
      return reply.redirect(redirectAfterLogin(world, signIns, request, request.login_hint));
    return reply.type('text/html').send(loginPage(url));
  });
  app.post('/user_management/authorize', async ({ query, body }, reply) => {
    const request: AuthorizeRequest = authorizeQuery.parse(query);
    const problem = problemOfAuthorize(world, request);
    if (problem) throw new ApiError(400, { error: 'invalid_request', error_description: problem });
    const { email = '' } = (body ?? {}) as { email?: string };
    return reply.redirect(redirectAfterLogin(world, signIns, request, email));
  });
  app.post('/user_management/authenticate', async ({ body, headers }) => {
    if (!headers['content-type']?.startsWith('application/json')) {
      throw new ApiError(400, { error: 'invalid_request', error_description: 'The body must be JSON.' });
    }
    return authenticate(world, signIns, body);
  });
  app.get('/user_management/sessions/logout', async ({ query }, reply) => {
    const { session_id = '', return_to } = query as { session_id?: string; return_to?: string };
    revokeSession(world, session_id);
    return return_to ? reply.redirect(return_to) : { message: 'signed out' };
  });

  app.get('/sso/jwks/:client', async ({ params }) => {
    if ((params as { client: string }).client !== clientId) throw new ApiError(404, { message: 'Not Found' });
    return world.keys.published;
  });
  app.get('/user_management/:client/.well-known/openid-configuration', async ({ params }) => {
    if ((params as { client: string }).client !== clientId) {
      throw new ApiError(404, { message: 'Could not find an application with the client ID.' });
    }
    return {
      issuer: issuerOf(world),
      authorization_endpoint: `${world.baseUrl}/user_management/authorize`,
      token_endpoint: `${world.baseUrl}/user_management/authenticate`,
      jwks_uri: `${world.baseUrl}/sso/jwks/${clientId}`,
      response_types_supported: ['code'],
    };
  });
}

/** One field: whoever has an account at the sandbox is let in. */
function loginPage(action: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in (sandbox)</title>
<style>body{font:16px system-ui;display:grid;place-items:center;min-height:90vh}form{display:grid;gap:12px;width:300px}
input,button{font:inherit;padding:8px}</style>
<form method="post" action="${action.replaceAll('&', '&amp;').replaceAll('"', '&quot;')}">
<h1>Sign in</h1><label for="email">Email</label><input id="email" name="email" type="email" required autofocus>
<button>Continue</button><small>The WorkOS sandbox: no password is asked for.</small></form></html>`;
}
