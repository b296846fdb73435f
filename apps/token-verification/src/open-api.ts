import { z } from 'zod';
import { openApi } from '#platform/open-api.js';
import { scopeQuery, scopeView } from './scopes.controller.js';
import { verifyBody } from './token-routes.js';

const asOf = z.string().nullable().describe('The moment that the view is proved to have reached.');
const verdict = z.union([
  z.object({
    active: z.literal(true),
    user_id: z.string(),
    organization_id: z.string().optional(),
    session_id: z.string().optional(),
    claims: z.record(z.string(), z.unknown()),
    provider_id: z.string(),
    as_of: asOf,
  }),
  z.object({ active: z.literal(false), reason: z.string(), as_of: asOf }),
]);
const unknown = { 503: ['view_stale', 'keys_unavailable'] };

export const VERIFICATION_OPEN_API = openApi(
  { title: 'Rescind token-verification', description: 'Answers for JWTs: active, refused with a reason, or 503.' },
  [
    {
      method: 'post',
      path: '/v1/tokens/verify',
      operationId: 'verifyToken',
      summary: 'Judge a token',
      body: verifyBody,
      responses: { 200: { description: 'Active, or refused with a reason.', schema: verdict } },
      problems: { 400: ['request_invalid'], ...unknown },
    },
    {
      method: 'get',
      path: '/v1/scopes',
      operationId: 'getScope',
      summary: 'What this replica knows of one scope: what it refuses by',
      query: scopeQuery,
      responses: { 200: { description: 'Its state; all null where it knows nothing.', schema: scopeView } },
      problems: { 400: ['request_invalid'], 503: ['view_stale'] },
    },
    {
      method: 'get',
      path: '/v1/revocations/stream',
      operationId: 'streamRevocations',
      summary: 'Everything that makes access void, and each change of it, as server-sent events',
      headers: z.object({ 'Last-Event-ID': z.string().optional().describe('Go on after this event.') }),
      responses: {
        200: {
          description:
            'Events: providers (data.providers: by what tokens are checked), states (data.states: a list of scope states), ' +
            'ready, heartbeat (each second), stale; docs/events.md has their form. Whoever has had no proof (ready, heartbeat) that is young enough knows nothing, and lets nobody in.',
          schema: z.string(),
          contentType: 'text/event-stream',
        },
      },
      problems: { 503: ['view_stale', 'streams_full'] },
    },
    {
      method: 'post',
      path: '/oauth2/introspect',
      operationId: 'introspectToken',
      summary: 'Token introspection, RFC 7662; signed answers, RFC 9701',
      security: 'basic',
      body: z.object({
        token: z.string(),
        token_type_hint: z.string().optional(),
        client_id: z.string().optional(),
        client_secret: z.string().optional(),
      }),
      bodyType: 'application/x-www-form-urlencoded',
      responses: {
        200: {
          description:
            'The claims with active true, or just active false. With Accept: application/token-introspection+jwt the same as ' +
            'the claim token_introspection of a signed JWT.',
          schema: z.looseObject({ active: z.boolean() }),
        },
        400: {
          description: 'invalid_request',
          schema: z.object({ error: z.string(), error_description: z.string() }),
        },
        401: { description: 'invalid_client', schema: z.object({ error: z.string() }) },
      },
      problems: { 406: ['signed_answer_not_configured'], ...unknown },
    },
    {
      method: 'get',
      path: '/.well-known/oauth-authorization-server',
      operationId: 'serverMetadata',
      summary: 'What the introspection can do, RFC 8414',
      security: 'none',
      responses: {
        200: {
          description: 'Endpoint, client authentication, algorithms.',
          schema: z.looseObject({ issuer: z.string(), introspection_endpoint: z.string(), jwks_uri: z.string() }),
        },
      },
      problems: { 404: ['issuer_not_configured'] },
    },
    {
      method: 'get',
      path: '/.well-known/jwks.json',
      operationId: 'serverKeys',
      summary: 'The keys of signed answers, RFC 7517',
      security: 'none',
      responses: { 200: { description: 'A JWK Set.', schema: z.object({ keys: z.array(z.looseObject({})) }) } },
    },
    {
      method: 'get',
      path: '/v1/forward-auth',
      operationId: 'forwardAuth',
      summary: "For a proxy: whose the caller's token is",
      security: 'bearer_token',
      responses: { 200: { description: 'X-Auth-User, X-Auth-Organization, X-Auth-Session, X-Auth-Provider.' } },
      problems: { 401: ['token_missing', 'token_refused'], ...unknown },
    },
  ],
);
