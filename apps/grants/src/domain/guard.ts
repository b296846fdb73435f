import type { Moment } from '#contracts/moment.js';
import type { GuardLimits } from '#contracts/identity-provider.js';
import { keyOf, type ScopeKey } from '#revocation/scope.js';
import { isClosed } from '#revocation/scope-state.js';
import type { Step } from './fold.js';

/** How many people one window may shut out before the marks of their grants wait for a person. */
export interface Guard {
  maxUsers: number;
  /** Of the users that are known, 0 to 1. */
  maxShare: number;
  windowMs: number;
}

/** Where fewer people are known, no share of them says anything. */
export const SHARE_FROM_USERS = 50;

/** The guard of a provider: its own limits, and the installation's where it says nothing. Undefined: there is none. */
export function guardOf(own: GuardLimits | null | undefined, installation: Guard): Guard | undefined {
  const maxUsers = own?.max_users ?? installation.maxUsers;
  if (maxUsers === 0) return undefined;
  return {
    maxUsers,
    maxShare: own?.max_share ?? installation.maxShare,
    windowMs: own?.window_seconds === undefined ? installation.windowMs : own.window_seconds * 1000,
  };
}

/** @param known users of the provider; it need not be counted further than {@link knownThatMatter} */
export function allowedUsers({ maxUsers, maxShare }: Guard, known: number): number {
  return known < SHARE_FROM_USERS ? maxUsers : Math.min(maxUsers, Math.floor(known * maxShare));
}

/**
 * From so many known users on, the share allows more than `maxUsers`, or more than `people`, and decides nothing.
 * @param people who may have been shut out within one window, at most
 */
export const knownThatMatter = ({ maxUsers, maxShare }: Guard, people = Infinity): number =>
  Math.min(1e9, Math.max(SHARE_FROM_USERS, Math.ceil((Math.min(maxUsers, people) + 1) / maxShare)));

/** A scope that an event has shut. */
export interface ShutOut {
  providerId: string;
  scopeKey: ScopeKey;
  /** Whom; undefined where it is a whole organization. */
  userId: string | undefined;
  organizationId: string | undefined;
  occurredAt: Moment;
  sourceEventId: string;
}

/**
 * Whom a step shuts out, where an event did so. A delivery that comes again makes no step, so it is not counted again.
 * The end of a session shuts nobody out: they may sign in anew.
 */
export function shutOutBy({ update, before, after }: Step): ShutOut[] {
  const { scope, source } = update;
  if (source.eventId === null || scope.kind === 'session') return [];
  if (after.closedAt <= before.closedAt || !isClosed(after)) return [];
  return [
    {
      providerId: scope.providerId,
      scopeKey: keyOf(scope),
      userId: 'userId' in scope ? scope.userId : undefined,
      organizationId: 'organizationId' in scope ? scope.organizationId : undefined,
      occurredAt: source.occurredAt,
      sourceEventId: source.eventId,
    },
  ];
}

export interface Span {
  from: Moment;
  to: Moment;
}

/** The stretches of time in which something that happened at `times` may share a window with something else. */
export function neighbourhoods(times: readonly Moment[], windowMs: number): Span[] {
  return merged([...times].sort((a, b) => a - b).map((at) => ({ from: at - windowMs, to: at + windowMs })));
}

/** Who was shut out at a moment: somebody, or so many people of an organization who are more than are allowed by themselves. */
export interface GuardClosing {
  userId: string | undefined;
  people: number;
  occurredAt: Moment;
}

/**
 * The stretches of time of which each moment lies in a window that shut out more than `allowed` different people. By the
 * events' own times, so neither the order of arrival nor a replay matters.
 * @param closings sorted by time
 */
export function bursts(closings: readonly GuardClosing[], windowMs: number, allowed: number): Span[] {
  const found: Span[] = [];
  const inWindow = new Map<string, number>();
  let unnamed = 0;
  const count = ({ userId, people }: GuardClosing, by: 1 | -1): void => {
    if (userId === undefined) unnamed += by * people;
    else {
      const times = (inWindow.get(userId) ?? 0) + by;
      if (times === 0) inWindow.delete(userId);
      else inWindow.set(userId, times);
    }
  };
  let first = 0;
  for (const [index, closing] of closings.entries()) {
    const { occurredAt } = closing;
    count(closing, 1);
    for (; closings[first]!.occurredAt <= occurredAt - windowMs; first++) count(closings[first]!, -1);
    // Whoever comes next at the same moment belongs to the same windows.
    const isLastOfMoment = closings[index + 1]?.occurredAt !== occurredAt;
    if (isLastOfMoment && inWindow.size + unnamed > allowed)
      found.push({ from: closings[first]!.occurredAt, to: occurredAt });
  }
  return merged(found);
}

/** @param spans sorted by their beginning */
function merged(spans: readonly Span[]): Span[] {
  const result: Span[] = [];
  for (const span of spans) {
    const last = result.at(-1);
    if (last && span.from <= last.to) last.to = Math.max(last.to, span.to);
    else result.push({ ...span });
  }
  return result;
}
