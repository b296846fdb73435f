import { strictEqual } from 'node:assert/strict';
import { NEVER } from '#contracts/moment.js';
import { decodeWorkOSEvent } from '#contracts/workos-event.js';
import { effectsOf } from '#revocation/effects.js';
import { keyOf } from '#revocation/scope.js';
import { type FuzzTarget, jsonNear, unlessRefused } from '#testing/fuzz.js';
import { meaningOf } from '../../apps/signals/src/domain/received.js';
import { readSetClaims, SetRefused } from '../../apps/signals/src/sources/read-set.js';

const NOW = new Date('2026-11-24T10:00:00.000Z');
const SOURCE = { sourceId: 'source_1', providerId: 'idp_1', issuers: ['https://issuer.example.com'] };
const user = { format: 'iss_sub', iss: 'https://issuer.example.com', sub: 'user_1' };
const opaque = (id: string): object => ({ format: 'opaque', id });
const SUBJECTS = [
  user,
  { format: 'complex', user, tenant: opaque('org_1') },
  { format: 'complex', tenant: opaque('org_1') },
  { format: 'complex', user, session: opaque('session_1') },
];
const TYPES = ['caep/event-type/session-revoked', 'risc/event-type/account-disabled', 'risc/event-type/account-purged'];
const sets = TYPES.flatMap((type) =>
  SUBJECTS.map((sub_id) => ({
    jti: 'set_1',
    iat: NOW.getTime() / 1000,
    toe: NOW.getTime() / 1000 - 60,
    sub_id,
    events: { [`https://schemas.openid.net/secevent/${type}`]: { event_timestamp: NOW.getTime() / 1000 - 90 } },
  })),
);

/** Refused, of no effect, or an event that grants can read: of its own provider alone, not of the future, and it opens nothing. */
const setClaims: FuzzTarget = {
  name: 'claims of a SET',
  inputs: jsonNear(sets),
  check(input) {
    let payload: unknown;
    try {
      payload = JSON.parse(input.toString('utf8'));
    } catch {
      return;
    }
    // jose hands over objects alone.
    if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) return;
    const set = unlessRefused(SetRefused, () => readSetClaims(payload, NOW));
    if (set === undefined) return;
    const meaning = meaningOf(set, SOURCE);
    if ('nothing' in meaning) return;
    const event = decodeWorkOSEvent(meaning.event, SOURCE.providerId);
    strictEqual(event.occurredAt <= NOW.getTime() + 300_000, true, 'of the future');
    const effects = effectsOf(event);
    strictEqual(effects.length, 1);
    for (const { scope, state, reason } of effects) {
      strictEqual(keyOf(scope).startsWith('idp_1/'), true);
      strictEqual(state.openedAt, NEVER);
      strictEqual(reason, 'signal_received');
    }
  },
};

export const setTargets: FuzzTarget[] = [setClaims];
