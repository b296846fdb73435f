import { deepStrictEqual, strictEqual } from 'node:assert/strict';
import { decodeIdentityProvider, IDENTITY_PROVIDER_TYPE } from '#contracts/identity-provider.js';
import { decodeKeySet, KEY_SET_TYPE } from '#contracts/key-set.js';
import { Rejected } from '#contracts/rejected.js';
import { decodeStateRecord, HEARTBEAT_TYPE, SCOPE_STATE_TYPE } from '#contracts/revocation.js';
import { decodeWebhookActivity, mergeActivity, WEBHOOK_ACTIVITY_TYPE } from '#contracts/webhook-activity.js';
import { decodeWorkOSRecord, WORKOS_EVENT_TYPE_PREFIX } from '#contracts/workos-event.js';
import { effectsOf } from '#revocation/effects.js';
import { keyOf } from '#revocation/scope.js';
import { sameState } from '#revocation/scope-state.js';
import { stateFromWire } from '#revocation/wire.js';
import { type FuzzTarget, jsonNear, unlessRefused } from '#testing/fuzz.js';
import { Heartbeats } from '#revocation/heartbeats.js';
import { RevocationView } from '../../apps/token-verification/src/domain/revocation-view.js';
import { importKey } from '../../apps/token-verification/src/keys/jwk.js';
import { makeIssuer, providerOf } from '../../apps/token-verification/test/issuer.js';
import { WORKOS_EVENTS } from './samples.js';

const recordOf = (type: string, data: unknown, more: object = {}): object => ({
  specversion: '1.0',
  id: '1',
  source: '/grants',
  type,
  datacontenttype: 'application/json',
  ...more,
  data,
});

const SUSPENSION = { metadataKey: 'suspended', value: 'yes' };

const workosRecords = WORKOS_EVENTS.map((event) =>
  recordOf(`${WORKOS_EVENT_TYPE_PREFIX}${(event as { event: string }).event}`, event, { providerid: 'idp_1' }),
);

/** Read or rejected; what is read has effects whose moments are moments, on scopes of its own provider alone. */
const eventRecord: FuzzTarget = {
  name: 'record of workos.events',
  inputs: jsonNear(workosRecords),
  check(input) {
    const record = unlessRefused(Rejected, () => decodeWorkOSRecord(input));
    if (record === undefined) return;
    for (const { scope, state } of effectsOf(record.event, SUSPENSION)) {
      strictEqual(keyOf(scope).startsWith(`${record.event.providerId}/`), true);
      for (const moment of [state.closedAt, state.openedAt, state.tokensBefore])
        strictEqual(Number.isNaN(moment), false);
      strictEqual(state.openedAt === Infinity || state.tokensBefore === Infinity, false, 'open for ever');
    }
  },
};

const states = [
  recordOf(HEARTBEAT_TYPE, {
    at: '2026-01-01T00:00:00.000Z',
    partitions: 2,
    applied: { 0: '12', 1: '7' },
    ends: { 0: '12', 1: '9' },
  }),
  ...['infinity', '2026-03-01T09:00:00.000Z'].map((closed_at) =>
    recordOf(SCOPE_STATE_TYPE, {
      scope: 'p/user:u',
      provider_id: 'p',
      user_id: 'u',
      closed_at,
      opened_at: '2026-02-01T09:00:00.000Z',
      tokens_before: null,
      reason: 'user_deprovisioned',
      source_event_id: 'event_1',
      occurred_at: '2026-01-01T00:00:00.000Z',
    }),
  ),
];

/** Read or rejected; what is read can be merged, twice as well as once, and what was closed for ever stays so. */
const stateRecord: FuzzTarget = {
  name: 'record of access.revocation-state',
  inputs: jsonNear(states),
  check(input) {
    const record = unlessRefused(Rejected, () => decodeStateRecord(input));
    if (record === undefined) return;
    if (record.kind === 'heartbeat') {
      const heartbeats = new Heartbeats();
      for (let partition = 0; partition < Math.min(record.data.partitions, 3); partition++) {
        heartbeats.take(partition, record.data, 0);
      }
      heartbeats.eventsRead(0, 12n);
      heartbeats.applied();
      strictEqual(Number.isNaN(heartbeats.ageMs(0, 0)), false);
      return;
    }
    const view = new RevocationView();
    const state = stateFromWire(record.data);
    for (const moment of [state.closedAt, state.openedAt, state.tokensBefore]) strictEqual(Number.isNaN(moment), false);
    view.takeState(record.data);
    const once = view.stateOf(record.data.scope)!;
    view.takeState(record.data);
    strictEqual(sameState(view.stateOf(record.data.scope)!, once), true);
    strictEqual(once.closedAt, state.closedAt);
  },
};

const providers = [
  recordOf(IDENTITY_PROVIDER_TYPE, providerOf(makeIssuer('client_01A', 'key_1', 'ed25519'))),
  recordOf(
    IDENTITY_PROVIDER_TYPE,
    providerOf(makeIssuer('client_01B', 'key_2', 'ed25519'), {
      kind: 'oidc',
      suspension_rule: { metadata_key: 'suspended', value: 'yes' },
      webhook: {
        endpoint_token_sha256: 'ab',
        secrets: [{ id: '1', sealed: 'x', origin: 'pasted', created_at: '2026' }],
      },
    }),
  ),
];

/** Read or rejected; no provider is read that would allow an unsigned token, or tokens of nobody. */
const providerRecord: FuzzTarget = {
  name: 'record of identity.providers',
  inputs: jsonNear(providers),
  check(input) {
    const provider = unlessRefused(Rejected, () => decodeIdentityProvider(input));
    if (provider === undefined) return;
    strictEqual(
      provider.algorithms.length > 0 && provider.algorithms.every((name) => /^(RS|PS|ES|Ed)/.test(name)),
      true,
    );
    strictEqual(provider.issuers.length > 0 && provider.issuers.every((issuer) => issuer !== ''), true);
    strictEqual(provider.clock_tolerance_seconds <= 300, true);
  },
};

const AT = '2026-01-01T00:00:00.000Z';
const activities = [
  recordOf(WEBHOOK_ACTIVITY_TYPE, {
    provider_id: 'idp_1',
    last_delivery_at: AT,
    last_refused: { at: AT, code: 'signature_mismatch', source: '192.0.2.1' },
    secrets: { whs_1: AT },
  }),
  recordOf(WEBHOOK_ACTIVITY_TYPE, { provider_id: 'idp_1', last_delivery_at: null, last_refused: null, secrets: {} }),
];
const known = { provider_id: 'idp_1', last_delivery_at: AT, last_refused: null, secrets: { whs_2: AT } };

/** Read or rejected; what is read can be merged twice as well as once, from either side, and forgets nothing. */
const activityRecord: FuzzTarget = {
  name: 'record of identity.webhook-activity',
  inputs: jsonNear(activities),
  check(input) {
    const activity = unlessRefused(Rejected, () => decodeWebhookActivity(input));
    if (activity === undefined) return;
    const both = mergeActivity(known, activity);
    deepStrictEqual(mergeActivity(both, activity), both);
    deepStrictEqual(mergeActivity({ ...activity, provider_id: 'idp_1' }, known), both);
    strictEqual((both.last_delivery_at ?? '') >= AT && both.secrets['whs_2']! >= AT, true);
  },
};

const JWKS_URI = 'https://keys.test/a';
const keySets = [
  recordOf(KEY_SET_TYPE, {
    jwks_uri: JWKS_URI,
    fetched_at: AT,
    keys: [makeIssuer('client_01A', 'key_1', 'ed25519').jwk],
  }),
  recordOf(KEY_SET_TYPE, { jwks_uri: JWKS_URI, fetched_at: AT, keys: [] }),
];

/** Read or rejected; what is read is of this address and of a moment, and its keys can be looked at. */
const keySetRecord: FuzzTarget = {
  name: 'record of identity.key-sets',
  inputs: jsonNear(keySets),
  check(input) {
    const set = unlessRefused(Rejected, () => decodeKeySet(input, JWKS_URI));
    if (set === undefined) return;
    strictEqual(set.jwks_uri, JWKS_URI);
    strictEqual(Number.isFinite(Date.parse(set.fetched_at)), true);
    set.keys.forEach(importKey);
  },
};

export const recordTargets: FuzzTarget[] = [eventRecord, stateRecord, providerRecord, activityRecord, keySetRecord];
