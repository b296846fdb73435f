import type { RawEvent } from '#testing/histories.js';
import { isVoidByEvents } from '#testing/oracle.js';
import type { Holding } from './plan.js';

/** What one client saw of one token or grant, in the order in which it asked. Times are monotonic, ms. */
export interface Observation {
  holding: number;
  kind: 'token' | 'grant';
  startedAt: number;
  endedAt: number;
  /** undefined: it was said that this is not known, or nobody answered. */
  isValid: boolean | undefined;
}

/** What the clients of one run saw, and nothing else. */
export interface Journal {
  providerId: string;
  holdings: readonly Holding[];
  /** Issue time of each grant by holding; a grant that was not made is missing. */
  grantedAt: ReadonlyMap<number, number>;
  /** Each event that was ever sent, and when first; monotonic, ms. */
  sent: readonly { event: RawEvent; firstSentAt: number; acknowledgedAt: number | undefined }[];
  observations: readonly Observation[];
  /** The last answers, asked once everything was quiet. */
  final: readonly Observation[];
  /** Records of access.revocations and of access.revocation-state of this provider, in their order by scope. */
  revocations: readonly ScopeRecord[];
  states: readonly ScopeRecord[];
  /** Answers that no client should ever get, such as a 500. */
  unexpected: readonly string[];
  outboxRows: number;
  /** `action subject event` of each row of the audit that belongs to this provider. */
  audit: readonly string[];
  /** Longest that anybody may wait for an answer, ms; undefined where what answers was struck itself. */
  patienceMs: number | undefined;
}

export interface ScopeRecord {
  scope: string;
  closed_at: string | null;
  opened_at: string | null;
  tokens_before: string | null;
}

/** Every promise that was broken, in a sentence each. Shares no code with the services. */
export function check(journal: Journal): string[] {
  return [
    ...journal.unexpected,
    ...unreflected(journal),
    ...resurrected(journal),
    ...wronglyAnnounced(journal),
    ...(journal.outboxRows === 0 ? [] : [`the outbox still has ${journal.outboxRows} rows`]),
    ...repeated(journal.audit).map((row) => `the audit has twice: ${row}`),
    ...impatient(journal),
  ];
}

/** The longest wait of each kind, ms: for a webhook's 2xx; from one answer that says something to the next. */
export function longestWaits({ sent, observations }: Journal): { webhook: number; token: number; grant: number } {
  const waits = { webhook: 0, token: 0, grant: 0 };
  for (const { firstSentAt, acknowledgedAt = Infinity } of sent) {
    waits.webhook = Math.max(waits.webhook, acknowledgedAt - firstSentAt);
  }
  const lastKnownAt = new Map<string, number>();
  for (const { holding, kind, startedAt, endedAt, isValid } of observations) {
    const key = `${kind} ${holding}`;
    if (isValid === undefined) continue;
    waits[kind] = Math.max(waits[kind], endedAt - (lastKnownAt.get(key) ?? startedAt));
    lastKnownAt.set(key, endedAt);
  }
  return waits;
}

function impatient(journal: Journal): string[] {
  const { patienceMs } = journal;
  if (patienceMs === undefined) return [];
  return Object.entries(longestWaits(journal)).flatMap(([kind, ms]) =>
    ms <= patienceMs ? [] : [`nobody was struck, but a ${kind} waited for ${Math.round(ms)} ms`],
  );
}

const scopesOf = (providerId: string, { userId, organizationId, sessionId }: Holding): string[] => [
  `${providerId}/user:${userId}`,
  ...(organizationId
    ? [`${providerId}/org:${organizationId}`, `${providerId}/membership:${userId}:${organizationId}`]
    : []),
  `${providerId}/session:${sessionId}`,
];

/** In the end every answer is what the acknowledged events say. */
function unreflected(journal: Journal): string[] {
  const events = journal.sent.filter(({ acknowledgedAt }) => acknowledgedAt !== undefined).map(({ event }) => event);
  return journal.final.flatMap(({ holding, kind, isValid }) => {
    const access = journal.holdings[holding]!;
    const issuedAt = kind === 'token' ? access.issuedAt : journal.grantedAt.get(holding)!;
    const isVoid = scopesOf(journal.providerId, access).some((scope) =>
      isVoidByEvents(journal.providerId, scope, { kind, issuedAt }, events),
    );
    if (isValid === !isVoid) return [];
    return [`${kind} ${holding} ends ${word(isValid)}, but the events say ${word(!isVoid)}`];
  });
}

const word = (isValid: boolean | undefined): string => (isValid === undefined ? 'unknown' : isValid ? 'valid' : 'void');

const OPENINGS = /^organization_membership\.(created|updated)$/;

/** Void, and then valid: only where an event that opens one of its scopes had been sent by then. */
function resurrected(journal: Journal): string[] {
  const voidSince = new Map<string, number>();
  for (const { holding, kind, endedAt, isValid } of journal.observations) {
    const key = `${kind} ${holding}`;
    if (isValid === false) voidSince.set(key, Math.min(endedAt, voidSince.get(key) ?? Infinity));
  }
  return journal.observations.flatMap((later) => {
    if (later.isValid !== true) return [];
    if ((voidSince.get(`${later.kind} ${later.holding}`) ?? Infinity) >= later.startedAt) return [];
    const isOpened = journal.sent.some(
      ({ event, firstSentAt }) => opens(event, journal.holdings[later.holding]!) && firstSentAt <= later.endedAt,
    );
    return isOpened ? [] : [`${later.kind} ${later.holding} was void and became valid without a re-opening`];
  });
}

function opens({ event, data }: RawEvent, { userId, organizationId }: Holding): boolean {
  if (event === 'user.updated') return data['id'] === userId && !isSuspended(data);
  const isOpening = OPENINGS.test(event) && data['status'] !== 'inactive';
  return isOpening && data['user_id'] === userId && data['organization_id'] === organizationId;
}

const isSuspended = ({ metadata }: RawEvent['data']): boolean =>
  (metadata as { suspended?: string } | undefined)?.suspended === 'yes';

/** The moments of a scope only grow, in both topics, and each end of access is announced. */
function wronglyAnnounced({ states, revocations }: Journal): string[] {
  const problems: string[] = [];
  const newest = new Map<string, ScopeRecord>();
  for (const record of states) {
    const before = newest.get(record.scope);
    if (before && !FIELDS.every((field) => momentOf(record[field]) >= momentOf(before[field]))) {
      problems.push(`the state of ${record.scope} went back`);
    }
    newest.set(record.scope, record);
  }
  for (const [scope, state] of newest) {
    if (state.closed_at === null) continue;
    const isAnnounced = revocations.some((record) => record.scope === scope && record.closed_at === state.closed_at);
    if (!isAnnounced) problems.push(`the end of ${scope} was never announced`);
  }
  return problems;
}

const FIELDS = ['closed_at', 'opened_at', 'tokens_before'] as const;
const momentOf = (wire: string | null): number =>
  wire === null ? -Infinity : wire === 'infinity' ? Infinity : Date.parse(wire);

function repeated(rows: readonly string[]): string[] {
  return [...new Set(rows.filter((row, index) => rows.indexOf(row) !== index))];
}
