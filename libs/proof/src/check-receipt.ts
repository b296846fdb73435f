import { momentFromWire } from '#contracts/moment.js';
import { judge } from '#revocation/judge.js';
import { keyOf, membershipKey, organizationKey, type ScopeKey, scopesOf, userKey } from '#revocation/scope.js';
import { isClosed, type ScopeState } from '#revocation/scope-state.js';
import { scopeFromWire, stateFromWire } from '#revocation/wire.js';
import { chainHash } from './audit-row.js';
import { leafHash, rootFrom } from './merkle.js';
import type { ProvenRow, ReceiptFacts, VoidFacts } from './receipt.js';

export interface Checked {
  /** A sentence for each thing that is not as it says; with one of them, nothing of it holds. */
  problems: string[];
  proved: string[];
  notProved: string[];
}

/**
 * Whether the facts of a receipt agree with each other: the rule, applied to its states, makes all that it lists void; and every
 * row of the audit that it rests on leads to the root that is signed with it. Who signed is another question.
 */
export function checkReceipt(facts: ReceiptFacts): Checked {
  const checked: Checked = { problems: [], proved: [], notProved: [] };
  if (facts.standing === 'open') {
    checked.notProved.push(`${who(facts)} still has access: nothing ended, so there is nothing to prove`);
  } else {
    const states = statesOf(facts, checked);
    checkRule(facts, states, checked);
    const rows = checkAudit(facts, checked);
    checkClosings(facts, states, rows, checked);
    checkGrants(facts, rows, checked);
  }
  sayHowComplete(facts, checked);
  return checked;
}

const who = ({ user_id, organization_id }: ReceiptFacts): string =>
  organization_id === null ? user_id : `${user_id} in ${organization_id}`;

/** The scopes that all of this access belongs to; one that is closed ends all of it. */
export function coveringScopes(facts: {
  provider_id: string;
  user_id: string;
  organization_id: string | null;
}): ScopeKey[] {
  const { provider_id: provider, user_id: user, organization_id: organization } = facts;
  if (organization === null) return [userKey(provider, user)];
  return [
    userKey(provider, user),
    organizationKey(provider, organization),
    membershipKey(provider, user, organization),
  ];
}

function statesOf(facts: VoidFacts, { problems }: Checked): Map<ScopeKey, ScopeState> {
  const covering = coveringScopes(facts);
  const states = new Map<ScopeKey, ScopeState>();
  for (const data of facts.scopes) {
    const key = keyOf(scopeFromWire(data));
    if (data.scope !== key || !covering.includes(key)) problems.push(`the scope ${data.scope} is not one of theirs`);
    states.set(key, stateFromWire(data));
  }
  return states;
}

/** The same rule that services ask, with the states as the receipt has them. */
function checkRule(facts: VoidFacts, states: Map<ScopeKey, ScopeState>, { problems, proved }: Checked): void {
  const verdict = judge({ kind: 'token', issuedAt: Infinity, scopes: coveringScopes(facts) }, (key) => states.get(key));
  if (!verdict.void) {
    problems.push(`by its own states, ${who(facts)} still has access: no scope is closed that covers all of it`);
    return;
  }
  for (const grant of facts.grants.listed) {
    const holder = { providerId: facts.provider_id, userId: facts.user_id, organizationId: grant.organization_id };
    const scopes = scopesOf({ ...holder, organizationId: holder.organizationId ?? undefined });
    const issuedAt = momentFromWire(grant.granted_at);
    if (!judge({ kind: 'grant', issuedAt, scopes }, (key) => states.get(key)).void) {
      problems.push(`by its own states, the grant ${grant.id} is not void`);
    }
  }
  const { grants, sessions } = facts;
  proved.push(
    `by the rule, every token of ${who(facts)} was void on ${facts.as_of}, whenever it was issued`,
    `so were ${grants.listed.length} of ${grants.total} grants and ${sessions.listed.length} of ${sessions.total} sign-ins, each listed with its time`,
  );
}

/** seq → the row, of those that lead to the root. */
function checkAudit(facts: VoidFacts, { problems, proved }: Checked): Map<string, ProvenRow> {
  const { size, root, head, rows } = facts.audit;
  const leads = (chained: Buffer, index: number, path: readonly string[]): boolean =>
    rootFrom(leafHash(chained), index, size, path.map(bytes))?.equals(bytes(root)) === true;
  if (!leads(bytes(head.hash), size - 1, head.path)) problems.push('the head of the chain does not lead to the root');
  const good = new Map<string, ProvenRow>();
  for (const proven of rows) {
    if (leads(chainHash(bytes(proven.previous), proven.row), Number(proven.seq) - 1, proven.path)) {
      good.set(proven.seq, proven);
    } else {
      problems.push(`audit row ${proven.seq} does not lead to the root: the row or its proof was changed`);
    }
  }
  proved.push(
    `${good.size} rows of the audit stand in its chain of ${size} (root ${root.slice(0, 16)}…, head ${size}:${head.hash})`,
  );
  return good;
}

function checkClosings(
  facts: VoidFacts,
  states: Map<ScopeKey, ScopeState>,
  rows: Map<string, ProvenRow>,
  { problems, proved, notProved }: Checked,
): void {
  for (const [key, state] of states) {
    if (isClosed(state) && !facts.closings.some(({ scope }) => scope === key)) {
      problems.push(`nothing stands behind the closing of ${key}`);
    }
  }
  for (const closing of facts.closings) {
    const { scope, event, by, announced } = closing;
    const state = states.get(scope);
    const row = rows.get(closing.audit_seq)?.row;
    if (!state || !isClosed(state)) problems.push(`${scope} is not closed by its own state`);
    else if (row === undefined)
      problems.push(`the closing of ${scope} has no row in the audit: it was left out or removed`);
    else if (row.subject !== scope || row.action !== 'scope.closed' || closedAtOf(row.detail) !== state.closedAt) {
      problems.push(`audit row ${closing.audit_seq} is not about this closing of ${scope}`);
    } else {
      const when = new Date(Number(row.at) * 1000).toISOString();
      proved.push(`the audit has the closing of ${scope} since ${when}, for ${row.reason}`);
    }
    if (event && state?.closing && event.id !== state.closing.sourceEventId) {
      problems.push(`the event ${event.id} is not the one that closed ${scope}`);
    }
    if (event) {
      const times = `occurred ${event.occurred_at ?? 'at an unknown time'}, received ${event.received_at ?? 'at an unknown time'}, applied ${event.applied_at}`;
      proved.push(`it says that WorkOS's ${event.type} ${event.id} closed it: ${times}, by ${event.via}`);
    } else if (by !== null) proved.push(`it says that ${by} closed it by hand`);
    else notProved.push(`what closed ${scope}: its event is not kept here`);
    const published = announced.filter((one) => one.published !== null);
    for (const { id, published: where } of published) {
      proved.push(
        `it says that it was announced: ${id} at ${where!.topic}/${where!.partition}/${where!.offset}, ${where!.at}`,
      );
    }
    if (published.length === 0) notProved.push(`that the closing of ${scope} was announced: no record of it is known`);
  }
}

function checkGrants(facts: VoidFacts, rows: Map<string, ProvenRow>, { problems, notProved }: Checked): void {
  let unmarked = 0;
  for (const { id, audit_seq } of facts.grants.listed) {
    const row = audit_seq === null ? undefined : rows.get(audit_seq)?.row;
    if (audit_seq === null) unmarked += 1;
    else if (row === undefined)
      problems.push(`the revocation of ${id} has no row in the audit: it was left out or removed`);
    else if (row.subject !== id || !row.action.startsWith('grant.revoked')) {
      problems.push(`audit row ${audit_seq} is not about the revocation of ${id}`);
    }
  }
  if (unmarked > 0)
    notProved.push(`when ${unmarked} grants were marked: they are void by the rule, without a row of their own`);
  const missing = facts.grants.total - facts.grants.listed.length;
  if (missing > 0) notProved.push(`${missing} more grants one by one: they are void by the rule, and not listed`);
}

function sayHowComplete({ completeness, as_of }: ReceiptFacts, { proved, notProved }: Checked): void {
  const { status, complete_from, complete_up_to, problem } = completeness;
  if (status === 'complete') {
    proved.push(`it says that all that WorkOS said from ${complete_from} until ${complete_up_to} is in it`);
    notProved.push(`what WorkOS said after ${complete_up_to}`);
  } else {
    const until = complete_up_to === null ? 'at all' : `after ${complete_up_to}`;
    notProved.push(
      `what WorkOS said ${until}: on ${as_of} that was not known (${status}${problem ? `: ${problem}` : ''})`,
    );
  }
}

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

function closedAtOf(detail: string | null): number {
  try {
    const { closed_at: at } = JSON.parse(detail ?? '{}') as { closed_at?: unknown };
    return at === 'infinity' ? Infinity : Number(at);
  } catch {
    return NaN;
  }
}
