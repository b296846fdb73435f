import { z } from 'zod';
import { openApi } from '#platform/open-api.js';
import { remapPreview } from './providers/claim-mappings.js';
import { remapRequest } from './providers/claim-mappings.controller.js';
import { apiKeyView, newApiKeyBody, newApiKeyView } from './access/keys.controller.js';
import { meView, ownRevocation } from './access/me.controller.js';
import { newRoleBody, roleView } from './access/roles.controller.js';
import { sessionView, signInBody } from './auth/auth.controller.js';
import {
  collectBody,
  confirmQuery,
  deviceBody,
  deviceView,
  identityView,
  refreshBody,
} from './auth/device.controller.js';
import { signInProviderView } from './auth/sign-in-providers.controller.js';
import { callbackQuery, deviceQuery, loginQuery } from './auth/auth-kit.controller.js';
import { changeQuery, changeView } from './providers/changes.controller.js';
import { discoverRequest, discoveryView } from './providers/discovery.controller.js';
import { newProvider, providerChange } from './providers/provider-settings.js';
import { jwksView, receiptQuery, receiptView, rotatedView } from './receipt/receipt.controller.js';
import { providerView } from './providers/provider-view.js';
import { enabledWebhookView, pastedSecret, secretView, webhookView } from './providers/webhook.controller.js';

const AWAY = { 503: ['database_unavailable'] } as const;
const UNKNOWN = { 404: ['provider_unknown'] } as const;
const DECLARED = { 409: ['declared_in_file'] } as const;

/** What a pasted signing secret is refused with. */
const NO_SECRET = [
  'request_invalid',
  'secret_blank',
  'secret_is_api_key',
  'secret_is_client_id',
  'secret_is_id',
  'secret_is_masked',
  'secret_is_signature',
  'secret_is_token',
  'secret_is_url',
  'secret_malformed',
  'secret_too_long',
  'secret_too_short',
] as const;

/** What a pasted issuer is refused with; `detail` says what to paste instead, `suggestion` where it can be told. */
const NO_ISSUER = [
  'client_unknown',
  'discovery_failed',
  'discovery_is_html',
  'discovery_malformed',
  'discovery_not_found',
  'discovery_not_json',
  'discovery_redirected',
  'discovery_timeout',
  'discovery_too_large',
  'issuer_address_not_allowed',
  'issuer_blank',
  'issuer_has_credentials',
  'issuer_has_query',
  'issuer_host_unknown',
  'issuer_is_api_key',
  'issuer_is_dashboard_url',
  'issuer_is_http',
  'issuer_is_id',
  'issuer_is_sso_connection',
  'issuer_is_template',
  'issuer_is_token',
  'issuer_is_webhook_secret',
  'issuer_is_website',
  'issuer_mismatch',
  'issuer_not_a_url',
  'issuer_not_of_workos',
  'issuer_tls_failed',
  'issuer_unreachable',
  'issuer_without_client_id',
  'jwks_empty',
  'jwks_malformed',
  'jwks_not_allowed',
] as const;

/** Of a browser's session; an API key is taken as well. */
const SESSION = { 401: ['session_ended', 'api_key_invalid'], 403: ['permission_missing'], ...AWAY } as const;
const NO_CSRF = { 403: ['permission_missing', 'csrf_token_invalid'] } as const;
const GRANTS_AWAY = {
  502: ['grants_refused_portal'],
  503: ['access_unknown', 'database_unavailable', 'grants_unavailable', 'identity_provider_unavailable'],
} as const;
const NO_SIGN_IN = {
  404: ['sign_in_not_configured'],
  503: ['database_unavailable', 'public_url_missing'],
} as const;
const page = (description: string) => ({ description, contentType: 'text/html', schema: z.string() });
/** A person is before it, not a program. */
const CALLBACK = {
  400: page('state_mismatch: it was not begun in this browser, or too long ago.'),
  401: page('sign_in_refused: WorkOS refuses the code.'),
  403: page('sign_in_refused, access_refused: WorkOS or the rule says no.'),
  404: page('sign_in_not_configured, device_code_expired.'),
  503: page('identity_provider_unavailable, access_unknown, database_unavailable: it cannot be told.'),
};
const listOf = <T extends z.ZodType>(item: T) => z.object({ data: z.array(item), next_cursor: z.null() });
const CSRF = z.object({ 'X-CSRF-Token': z.string().optional() });

const PROVIDERS = '/v1/identity-providers';

export const PORTAL_OPEN_API = openApi(
  { title: 'Rescind portal', description: 'Identity providers, and the webhook endpoints and secrets of each.' },
  [
    {
      method: 'post',
      path: `${PROVIDERS}/discover`,
      operationId: 'discoverIssuer',
      summary: 'What a pasted issuer is, and everything that adding it needs',
      body: discoverRequest,
      responses: { 200: { description: 'Recognised; the warnings say what to look at.', schema: discoveryView } },
      problems: { 400: ['request_invalid'], 422: NO_ISSUER },
    },
    {
      method: 'post',
      path: PROVIDERS,
      operationId: 'createIdentityProvider',
      summary: 'Add an identity provider',
      body: newProvider,
      responses: { 201: { description: 'Added; the services follow within a second.', schema: providerView } },
      problems: { 400: ['request_invalid'], ...AWAY },
    },
    {
      method: 'get',
      path: PROVIDERS,
      operationId: 'listIdentityProviders',
      summary: 'All identity providers',
      responses: {
        200: {
          description: 'All of them.',
          schema: z.object({ data: z.array(providerView), next_cursor: z.null() }),
        },
      },
      problems: AWAY,
    },
    {
      method: 'get',
      path: `${PROVIDERS}/{id}`,
      operationId: 'getIdentityProvider',
      summary: 'One identity provider, without its secrets',
      responses: { 200: { description: 'The provider.', schema: providerView } },
      problems: { ...UNKNOWN, ...AWAY },
    },
    {
      method: 'patch',
      path: `${PROVIDERS}/{id}`,
      operationId: 'changeIdentityProvider',
      summary: 'Change what is given; null sets a field back to its default',
      body: providerChange,
      responses: { 200: { description: 'The provider, changed.', schema: providerView } },
      problems: {
        400: ['request_invalid'],
        ...UNKNOWN,
        409: ['declared_in_file', 'claim_mapping_locked', 'mode_locked'],
        ...AWAY,
      },
    },
    {
      method: 'delete',
      path: `${PROVIDERS}/{id}`,
      operationId: 'deleteIdentityProvider',
      summary: 'Delete an identity provider with its webhook and secrets',
      responses: { 204: { description: 'Deleted.' } },
      problems: { ...UNKNOWN, ...DECLARED, ...AWAY },
    },
    {
      method: 'post',
      path: `${PROVIDERS}/{id}/claim-mappings/preview`,
      operationId: 'previewClaimMappings',
      summary: 'Whom it would affect to read other claims; nothing is changed',
      body: remapRequest,
      responses: { 200: { description: 'Counts and examples, by the sign-ins of 30 days.', schema: remapPreview } },
      problems: { 400: ['request_invalid'], ...UNKNOWN, ...AWAY },
    },
    {
      method: 'post',
      path: `${PROVIDERS}/{id}/webhook`,
      operationId: 'enableWebhook',
      summary: 'Enable the webhook endpoint; again: one more generated secret under the same URL',
      responses: {
        201: { description: 'Enabled. The secret is shown this once.', schema: enabledWebhookView },
        200: {
          description: 'It was enabled: the same URL, and a new secret beside the newest one of before.',
          schema: enabledWebhookView,
        },
      },
      problems: { ...UNKNOWN, ...DECLARED, ...AWAY },
    },
    {
      method: 'get',
      path: `${PROVIDERS}/{id}/webhook`,
      operationId: 'getWebhook',
      summary: 'The endpoint, its live secrets (never what they are) and the events to subscribe to',
      responses: { 200: { description: 'The endpoint.', schema: webhookView } },
      problems: { 404: ['provider_unknown', 'webhook_not_enabled'], ...AWAY },
    },
    {
      method: 'post',
      path: `${PROVIDERS}/{id}/webhook/secrets`,
      operationId: 'pasteWebhookSecret',
      summary: 'Paste the signing secret that WorkOS shows; two pasted ones may be live',
      body: pastedSecret,
      responses: {
        201: { description: 'Live.', schema: secretView },
        200: { description: 'This very secret was live already.', schema: secretView },
      },
      problems: {
        400: NO_SECRET,
        ...UNKNOWN,
        409: ['declared_in_file', 'webhook_not_enabled', 'webhook_secrets_full'],
        ...AWAY,
      },
    },
    {
      method: 'delete',
      path: `${PROVIDERS}/{id}/webhook/secrets/{secretId}`,
      operationId: 'retireWebhookSecret',
      summary: 'Retire a secret: what it signs is refused',
      responses: { 204: { description: 'Retired; also where it was before.' } },
      problems: { 404: ['provider_unknown', 'webhook_secret_unknown'], ...DECLARED, ...AWAY },
    },
    {
      method: 'get',
      path: '/v1/audit',
      operationId: 'listChanges',
      summary: 'Who changed what, newest first',
      query: changeQuery,
      responses: {
        200: {
          description: 'One page.',
          schema: z.object({ data: z.array(changeView), next_cursor: z.string().nullable() }),
        },
      },
      problems: { 400: ['request_invalid'], ...AWAY },
    },
    {
      method: 'post',
      path: '/auth/session',
      operationId: 'signIn',
      summary: 'Sign a browser in with an API key of a person: the cookie __Host-rescind_session',
      security: 'none',
      body: signInBody,
      responses: { 204: { description: 'Signed in; GET /auth/session says as whom, and the CSRF token.' } },
      problems: {
        400: ['request_invalid'],
        401: ['api_key_invalid'],
        403: ['api_key_has_no_role', 'cross_site'],
        429: ['rate_limited'],
        ...AWAY,
      },
    },
    {
      method: 'get',
      path: '/auth/session',
      operationId: 'getSession',
      summary: 'Who is signed in',
      security: 'session',
      responses: { 200: { description: 'The session.', schema: sessionView } },
      problems: SESSION,
    },
    {
      method: 'post',
      path: '/auth/session/sign-out',
      operationId: 'signOut',
      summary: 'End the session',
      security: 'session',
      headers: CSRF,
      responses: { 204: { description: 'Ended.' } },
      problems: { ...SESSION, ...NO_CSRF },
    },
    {
      method: 'post',
      path: '/v1/api-keys',
      operationId: 'createApiKey',
      summary: 'Issue an API key',
      body: newApiKeyBody,
      responses: { 201: { description: 'The key is shown this once, and kept nowhere.', schema: newApiKeyView } },
      problems: { 400: ['request_invalid'], 409: ['api_key_name_taken'], ...AWAY },
    },
    {
      method: 'get',
      path: '/v1/api-keys',
      operationId: 'listApiKeys',
      summary: 'All API keys that were issued, revoked ones too',
      responses: { 200: { description: 'All of them.', schema: listOf(apiKeyView) } },
      problems: AWAY,
    },
    {
      method: 'delete',
      path: '/v1/api-keys/{id}',
      operationId: 'revokeApiKey',
      summary: 'Revoke an API key; sessions that were opened with it end',
      responses: { 204: { description: 'Revoked; also where it was before.' } },
      problems: { 404: ['api_key_unknown'], ...AWAY },
    },
    {
      method: 'post',
      path: '/v1/role-assignments',
      operationId: 'assignRole',
      summary: 'Make people of an identity provider administrators or auditors of the portal',
      body: newRoleBody,
      responses: { 201: { description: 'From their next request on.', schema: roleView } },
      problems: { 400: ['request_invalid'], 404: ['provider_unknown'], 409: ['role_assigned'], ...AWAY },
    },
    {
      method: 'get',
      path: '/v1/role-assignments',
      operationId: 'listRoleAssignments',
      summary: 'Who is more than a person at the portal',
      responses: { 200: { description: 'All of them.', schema: listOf(roleView) } },
      problems: AWAY,
    },
    {
      method: 'delete',
      path: '/v1/role-assignments/{id}',
      operationId: 'withdrawRole',
      summary: 'Withdraw a role',
      responses: { 204: { description: 'Withdrawn, from their next request on.' } },
      problems: { 404: ['role_assignment_unknown'], ...AWAY },
    },
    {
      method: 'get',
      path: '/api/me',
      operationId: 'getMyAccess',
      summary: 'What the person who is signed in has: memberships, sessions, grants',
      security: 'session',
      responses: { 200: { description: 'Theirs alone.', schema: meView } },
      problems: { ...SESSION, 404: ['not_a_person'], ...GRANTS_AWAY },
    },
    {
      method: 'post',
      path: '/api/me/grants/{id}/revoke',
      operationId: 'revokeMyGrant',
      summary: 'End a grant of one’s own, for ever',
      security: 'session',
      headers: CSRF,
      body: ownRevocation,
      responses: { 200: { description: 'The grant, as grants has it.', schema: z.looseObject({ id: z.string() }) } },
      problems: {
        400: ['request_invalid'],
        ...SESSION,
        ...NO_CSRF,
        404: ['grant_unknown', 'not_a_person'],
        ...GRANTS_AWAY,
      },
    },
    {
      method: 'post',
      path: '/api/me/sessions/{id}/revoke',
      operationId: 'revokeMySession',
      summary: 'End a sign-in of one’s own, everywhere and for ever',
      security: 'session',
      headers: CSRF,
      body: ownRevocation,
      responses: { 200: { description: 'What ended with it, as grants has it.', schema: z.looseObject({}) } },
      problems: {
        400: ['request_invalid'],
        ...SESSION,
        ...NO_CSRF,
        404: ['session_unknown', 'not_a_person'],
        ...GRANTS_AWAY,
      },
    },
    {
      method: 'get',
      path: '/auth/providers',
      operationId: 'listSignInProviders',
      summary: 'With whom people can sign in',
      security: 'none',
      responses: { 200: { description: 'All of them.', schema: listOf(signInProviderView) } },
      problems: AWAY,
    },
    {
      method: 'get',
      path: '/auth/{provider}/login',
      operationId: 'beginSignIn',
      summary: 'Sign in with AuthKit: sends the browser there',
      security: 'none',
      query: loginQuery,
      responses: { 303: { description: 'To AuthKit, which comes back to the callback.' } },
      problems: { 400: ['return_to_invalid', 'request_invalid'], ...NO_SIGN_IN },
    },
    {
      method: 'get',
      path: '/auth/{provider}/callback',
      operationId: 'finishSignIn',
      summary: 'Where AuthKit comes back to: the redirect URI of the page',
      security: 'none',
      query: callbackQuery,
      responses: { 303: { description: 'Signed in: to where the sign-in was begun.' }, ...CALLBACK },
    },
    {
      method: 'get',
      path: '/auth/{provider}/device',
      operationId: 'showDeviceSignIn',
      summary: 'The page on which a person compares the code of a tool with this one',
      security: 'none',
      query: deviceQuery,
      responses: { 200: page('The page.'), 404: page('No tool waits with this code: one can be entered.') },
      problems: { 400: ['request_invalid'], ...NO_SIGN_IN },
    },
    {
      method: 'post',
      path: '/auth/{provider}/device',
      operationId: 'confirmDeviceSignIn',
      summary: 'The form of that page: sends the browser to AuthKit',
      security: 'none',
      query: confirmQuery,
      responses: { 303: { description: 'To AuthKit, which comes back to device/callback.' } },
      problems: {
        400: ['request_invalid'],
        403: ['cross_site'],
        ...NO_SIGN_IN,
        404: ['sign_in_not_configured', 'device_code_expired'],
      },
    },
    {
      method: 'get',
      path: '/auth/{provider}/device/callback',
      operationId: 'finishDeviceSignIn',
      summary: 'Where AuthKit comes back to: the redirect URI of tools',
      security: 'none',
      query: callbackQuery,
      responses: { 200: page('Signed in: the tool gets it now.'), ...CALLBACK },
    },
    {
      method: 'post',
      path: '/auth/{provider}/device/authorize',
      operationId: 'authorizeDevice',
      summary: 'A tool wants somebody to sign in (RFC 8628, section 3.1), bound to it by PKCE',
      security: 'none',
      body: deviceBody,
      responses: { 200: { description: 'What to tell the person, and with what to ask.', schema: deviceView } },
      problems: {
        400: ['request_invalid'],
        404: ['sign_in_not_configured'],
        429: ['rate_limited'],
        503: ['database_unavailable', 'public_url_missing', 'too_many_waiting'],
      },
    },
    {
      method: 'post',
      path: '/auth/{provider}/device/token',
      operationId: 'collectDeviceSignIn',
      summary: 'Whether they have signed in: who it is and the tokens, once',
      security: 'none',
      body: collectBody,
      responses: { 200: { description: 'Handed out this once.', schema: identityView } },
      problems: {
        400: ['request_invalid', 'authorization_pending', 'slow_down', 'expired_token', 'invalid_grant'],
        403: ['access_denied'],
        ...AWAY,
      },
    },
    {
      method: 'post',
      path: '/auth/{provider}/device/refresh',
      operationId: 'refreshDevice',
      summary: 'New tokens for a tool, judged anew; the refresh token is worth nothing afterwards',
      security: 'none',
      body: refreshBody,
      responses: { 200: { description: 'The new tokens.', schema: identityView } },
      problems: {
        400: ['request_invalid'],
        401: ['sign_in_refused'],
        403: ['access_refused'],
        404: ['sign_in_not_configured'],
        429: ['rate_limited'],
        503: ['database_unavailable', 'identity_provider_unavailable', 'access_unknown'],
      },
    },
    {
      method: 'get',
      path: '/api/health',
      operationId: 'healthOfServices',
      summary: 'How the services are, and what they counted in the last hour, for the page',
      security: 'session',
      responses: {
        200: {
          description: 'Of each service whether it is ready and what it lacks; values each 10 s, null where not known.',
          schema: z.object({
            services: z.array(
              z.object({
                name: z.string(),
                status: z.enum(['ready', 'not_ready', 'away', 'not_configured']),
                missing: z.record(z.string(), z.string()),
                facts: z.record(z.string(), z.unknown()),
              }),
            ),
            series: z.object({
              at: z.array(z.number()),
              values: z.record(z.string(), z.array(z.number().nullable())),
            }),
          }),
        },
      },
      problems: { ...SESSION, 503: ['database_unavailable'] },
    },
    {
      method: 'get',
      path: '/api/feed',
      operationId: 'followFeed',
      summary: 'What happened lately and happens now, as server-sent events',
      security: 'session',
      headers: z.object({ 'Last-Event-ID': z.string().optional() }),
      responses: {
        200: {
          description:
            'Events webhook, applied, revoked, refused, provider, guard; each with JSON in data. To a person, what is about them.',
          contentType: 'text/event-stream',
          schema: z.string(),
        },
      },
      problems: { ...SESSION, 503: ['database_unavailable', 'feed_full'] },
    },
    {
      method: 'get',
      path: '/v1/users/{id}/receipt',
      operationId: 'getReceipt',
      summary:
        'Signed proof of when and by what the access of somebody ended; Accept: application/jose for the JWS alone',
      query: receiptQuery,
      responses: { 200: { description: 'Signed with EdDSA, `typ: rescind-receipt+jwt`.', schema: receiptView } },
      problems: {
        400: ['request_invalid', 'provider_required'],
        404: ['user_unknown', 'not_found'],
        409: ['audit_damaged'],
        502: ['grants_refused_portal', 'receipt_not_signed'],
        503: [
          'audit_not_sealed',
          'audit_tree_growing',
          'database_unavailable',
          'grants_not_configured',
          'grants_unavailable',
        ],
      },
    },
    {
      method: 'get',
      path: '/.well-known/jwks.json',
      operationId: 'getSigningKeys',
      summary: 'The public keys of receipts, every one that ever signed',
      security: 'none',
      responses: { 200: { description: 'A JWK Set (RFC 7517).', schema: jwksView } },
      problems: AWAY,
    },
    {
      method: 'post',
      path: '/v1/signing-keys/rotate',
      operationId: 'rotateSigningKey',
      summary: 'Another key signs from now on; what the former ones have signed stays good',
      responses: { 200: { description: 'The new key.', schema: rotatedView } },
      problems: AWAY,
    },
  ],
);
