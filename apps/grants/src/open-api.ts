import { z } from 'zod';
import { scopeStateData } from '#contracts/revocation.js';
import { openApi, type Operation } from '#platform/open-api.js';
import { receiptFacts } from '#proof/receipt.js';
import { accessQuestion } from './grants/access.controller.js';
import { auditQueryFields, auditView } from './audit/audit.controller.js';
import { decision, tripQuery, tripView } from './guard/guard-trips.controller.js';
import { canaryView } from './canary/canary.controller.js';
import { accessAnswer } from './grants/check-access.js';
import { certificateView, missedWebhookQuery, missedWebhookView } from './completeness/completeness.controller.js';
import { eventQuery, eventView, eventWithBody } from './events/events.controller.js';
import { grantView } from './grants/grant-view.js';
import { handRevocation, idempotencyKey, newGrant } from './grants/grants.controller.js';
import { grantQuery } from './grants/list-grants.js';
import { pageOf } from './paging.js';
import { receiptQuery } from './proof/proof.controller.js';
import {
  reinstatementRequest,
  revocationQuery,
  revocationRequest,
  revocationView,
} from './scopes/revocations.controller.js';
import {
  differenceQuery,
  differenceView,
  reconciliationQuery,
  reconciliationRequest,
  reconciliationView,
} from './reconciliation/reconciliation.controller.js';
import { redriveRequest, setAsideQuery, setAsideView } from './set-aside/set-aside.controller.js';
import { shadowQuery, shadowView } from './shadow/shadow-revocations.controller.js';
import { userDetails, userQuery, userView } from './directory/users.controller.js';

const AWAY = { 503: ['database_unavailable'] } as const;
const INVALID = { 400: ['request_invalid'] } as const;
const SELECTED = { 400: ['request_invalid', 'provider_required'] } as const;
/** One each minute, of nobody. */
const WITHOUT_CANARY = '; those of the canary where its provider is asked for';
const oneProvider = z.object({ provider_id: z.string().optional() });

function list(path: string, operationId: string, summary: string, query: z.ZodObject, item: z.ZodType): Operation {
  const description =
    'One page. The list ends where `next_cursor` is null: a page with a filter may hold fewer than `limit`.';
  const responses = { 200: { description, schema: pageOf(item) } };
  return { method: 'get', path, operationId, summary, query, responses, problems: { ...INVALID, ...AWAY } };
}

const ok = (description: string, schema: z.ZodType) => ({ 200: { description, schema } });

export const GRANTS_OPEN_API = openApi(
  { title: 'Rescind grants', description: 'The record of who has access, and the only writer of it.' },
  [
    {
      method: 'post',
      path: '/v1/grants',
      operationId: 'createGrant',
      summary: 'Grant access',
      headers: z.object({ 'Idempotency-Key': idempotencyKey }),
      body: newGrant,
      responses: { 201: { description: 'Granted.', schema: grantView } },
      problems: {
        400: ['request_invalid', 'provider_required', 'provider_unknown'],
        409: ['principal_deprovisioned', 'idempotency_key_in_use'],
        422: ['idempotency_key_reused'],
        ...AWAY,
      },
    },
    list('/v1/grants', 'listGrants', 'Grants, newest first', grantQuery, grantView),
    {
      method: 'get',
      path: '/v1/grants/{id}',
      operationId: 'getGrant',
      summary: 'One grant, judged now',
      responses: ok('The grant.', grantView),
      problems: { 404: ['grant_unknown'], ...AWAY },
    },
    {
      method: 'post',
      path: '/v1/grants/{id}/revoke',
      operationId: 'revokeGrant',
      summary: 'Revoke one grant, for ever',
      body: handRevocation,
      responses: ok('The grant, revoked; also where it was already.', grantView),
      problems: { ...INVALID, 404: ['grant_unknown'], ...AWAY },
    },
    {
      method: 'post',
      path: '/v1/access/check',
      operationId: 'checkAccess',
      summary: 'Whether somebody may do something now',
      body: accessQuestion,
      responses: ok('The answer.', accessAnswer),
      problems: { ...SELECTED, ...AWAY },
    },
    {
      method: 'post',
      path: '/v1/revocations',
      operationId: 'revokeScope',
      summary: 'End all access of a user, an organization, a membership or a session',
      body: revocationRequest,
      responses: ok(
        'What was, or would be, revoked.',
        z.object({
          dry_run: z.boolean(),
          scope: z.string(),
          provider_id: z.string(),
          reason: z.string(),
          closed_at: z.string().nullable(),
          revoked_grants: z.int(),
          grant_ids: z.array(z.string()),
        }),
      ),
      problems: { ...SELECTED, ...AWAY },
    },
    list(
      '/v1/revocations',
      'listRevocations',
      `What was announced, newest first${WITHOUT_CANARY}`,
      revocationQuery,
      revocationView,
    ),
    {
      method: 'post',
      path: '/v1/reinstatements',
      operationId: 'reinstateScope',
      summary: 'Open a scope again; what was granted before stays void',
      body: reinstatementRequest,
      responses: ok('The state of the scope.', scopeStateData.extend({ closed: z.boolean() })),
      problems: { ...SELECTED, 409: ['scope_is_tombstone'], ...AWAY },
    },
    list('/v1/events', 'listEvents', `Events, newest first${WITHOUT_CANARY}`, eventQuery, eventView),
    {
      method: 'get',
      path: '/v1/events/{id}',
      operationId: 'getEvent',
      summary: 'One event, with what WorkOS said',
      query: oneProvider,
      responses: ok('The event.', eventWithBody),
      problems: { ...INVALID, 404: ['event_unknown'], ...AWAY },
    },
    list('/v1/users', 'listUsers', 'Users, by id', userQuery, userView),
    {
      method: 'get',
      path: '/v1/users/{id}',
      operationId: 'getUser',
      summary: 'One user, with memberships, sessions, grants and scopes',
      query: oneProvider,
      responses: ok('The user.', userDetails),
      problems: { ...SELECTED, 404: ['user_unknown'], ...AWAY },
    },
    {
      method: 'get',
      path: '/v1/users/{id}/receipt',
      operationId: 'getReceiptFacts',
      summary: 'When and by what the access of somebody ended, with its place in the audit; the portal signs it',
      query: receiptQuery,
      responses: ok('What a receipt says. `standing` open: they still have access.', receiptFacts),
      problems: {
        ...SELECTED,
        404: ['user_unknown'],
        409: ['audit_damaged'],
        503: ['database_unavailable', 'audit_not_sealed', 'audit_tree_growing'],
      },
    },
    list(
      '/v1/set-aside',
      'listSetAside',
      'Records that could not be applied, newest first',
      setAsideQuery,
      setAsideView,
    ),
    {
      method: 'post',
      path: '/v1/set-aside/{id}/redrive',
      operationId: 'redriveOne',
      summary: 'Send the original bytes again, once',
      responses: ok('The record; also where it was sent again before.', setAsideView),
      problems: { 404: ['set_aside_unknown'], ...AWAY },
    },
    {
      method: 'post',
      path: '/v1/set-aside/redrive',
      operationId: 'redriveAll',
      summary: 'Send everything again that was set aside for one reason',
      body: redriveRequest,
      responses: ok('How many were sent.', z.object({ reason: z.string(), redriven: z.int() })),
      problems: { ...INVALID, ...AWAY },
    },
    list('/v1/guard-trips', 'listGuardTrips', 'Mass deprovisionings, newest first', tripQuery, tripView),
    {
      method: 'post',
      path: '/v1/guard-trips/{id}/confirm',
      operationId: 'confirmGuardTrip',
      summary: 'It was meant: the marks are written',
      body: decision,
      responses: ok('The trip, confirmed; also where it was already.', tripView),
      problems: { ...INVALID, 404: ['guard_trip_unknown'], 409: ['guard_trip_decided'], ...AWAY },
    },
    {
      method: 'post',
      path: '/v1/guard-trips/{id}/undo',
      operationId: 'undoGuardTrip',
      summary: 'It was a mistake: what can be opened again is opened, with this moment; tombstones stay',
      body: decision,
      responses: ok('The trip, undone; scopes are re-opened within moments, see `reopened`.', tripView),
      problems: { ...INVALID, 404: ['guard_trip_unknown'], 409: ['guard_trip_decided'], ...AWAY },
    },
    list(
      '/v1/shadow-revocations',
      'listShadowRevocations',
      'What providers in shadow mode would have ended, newest first',
      shadowQuery,
      shadowView,
    ),
    {
      method: 'get',
      path: '/v1/completeness',
      operationId: 'getCompleteness',
      summary: 'For each provider: everything up to when has been applied',
      responses: ok('One certificate a provider.', z.object({ data: z.array(certificateView) })),
      problems: AWAY,
    },
    list(
      '/v1/missed-webhooks',
      'listMissedWebhooks',
      'Events that no webhook brought in time and the Events API did, newest first',
      missedWebhookQuery,
      missedWebhookView,
    ),
    {
      method: 'post',
      path: '/v1/reconciliations',
      operationId: 'reconcile',
      summary: "Compare WorkOS's own lists with what is known here; also the first import",
      body: reconciliationRequest,
      responses: { 202: { description: 'It has begun.', schema: z.object({ id: z.string() }) } },
      problems: {
        ...INVALID,
        404: ['provider_unknown'],
        409: ['api_key_missing', 'reconciliation_running'],
        ...AWAY,
      },
    },
    list(
      '/v1/reconciliations',
      'listReconciliations',
      'Comparisons, newest first',
      reconciliationQuery,
      reconciliationView,
    ),
    {
      method: 'get',
      path: '/v1/reconciliations/{id}',
      operationId: 'getReconciliation',
      summary: 'One comparison, and how far it is',
      responses: ok('The comparison.', reconciliationView),
      problems: { 404: ['reconciliation_unknown'], ...AWAY },
    },
    {
      method: 'get',
      path: '/v1/reconciliations/{id}/differences',
      operationId: 'listDifferences',
      summary: 'What a comparison has found, in the order in which it did',
      query: differenceQuery,
      responses: ok('One page.', pageOf(differenceView)),
      problems: { ...INVALID, 404: ['reconciliation_unknown'], ...AWAY },
    },
    {
      method: 'post',
      path: '/v1/reconciliations/{id}/cancel',
      operationId: 'cancelReconciliation',
      summary: 'End a comparison; what is repaired by then stays so',
      responses: ok('The comparison; also where it had ended before.', reconciliationView),
      problems: { 404: ['reconciliation_unknown'], ...AWAY },
    },
    {
      method: 'get',
      path: '/v1/canary',
      operationId: 'getCanary',
      summary: 'The synthetic revocations of the last hour: how long from the webhook to the refusal',
      responses: ok('What came of them.', canaryView),
      problems: AWAY,
    },
    list(
      '/v1/audit',
      'listAudit',
      `Who did what, when and why, newest first${WITHOUT_CANARY}`,
      auditQueryFields,
      auditView,
    ),
  ],
);
