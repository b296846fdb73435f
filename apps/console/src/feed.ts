import { useEffect, useSyncExternalStore } from 'react';
import { GRANTS, PORTAL, SIGNALS } from './api.js';
import { outdate, queryClient } from './queries.js';
import type { FeedItem, FeedKind } from './types.js';

const KINDS: readonly FeedKind[] = ['webhook', 'applied', 'revoked', 'refused', 'provider', 'guard'];
const KEPT = 300;
const ASK_AGAIN_MS = 10_000;
/** Many things happen together; the lists are asked for once. */
const SETTLE_MS = 250;
const APPLIED_MS = 2_000;

export type FeedState = 'connecting' | 'live' | 'away';
interface Feed {
  state: FeedState;
  /** Newest first. */
  items: readonly FeedItem[];
}

let feed: Feed = { state: 'connecting', items: [] };
const listeners = new Set<() => void>();
function become(next: Partial<Feed>): void {
  feed = { ...feed, ...next };
  for (const listener of listeners) listener();
}

let waiting = new Set<string>();
let timer: ReturnType<typeof setTimeout> | undefined;
let later: ReturnType<typeof setTimeout> | undefined;
/** What people look at follows what happens, without a reload. */
function outdateSoon(...paths: string[]): void {
  for (const path of paths) waiting.add(path);
  timer ??= setTimeout(() => {
    const paths = [...waiting];
    waiting = new Set();
    timer = undefined;
    void outdate(queryClient, paths);
  }, SETTLE_MS);
}

function receive(kind: FeedKind, message: MessageEvent<string>): void {
  let data: Omit<FeedItem, 'key' | 'kind'>;
  try {
    data = JSON.parse(message.data) as typeof data;
  } catch {
    return;
  }
  // A person's have no id, and come again with each connection.
  const key = `${kind}-${message.lastEventId || message.data}`;
  if (!feed.items.some((item) => item.key === key)) {
    become({ items: [{ ...data, key, kind }, ...feed.items].slice(0, KEPT) });
  }
  if (kind === 'provider') outdateSoon(`${PORTAL}/identity-providers`, `${PORTAL}/audit`);
  else if (kind !== 'refused') {
    outdateSoon(GRANTS, SIGNALS, '/api/me');
    // That an event came in says not yet that it was applied, and one without effect says nothing more.
    if (kind === 'webhook') later ??= setTimeout(() => ((later = undefined), outdateSoon(GRANTS)), APPLIED_MS);
  }
}

function connect(): () => void {
  let source: EventSource;
  let again: ReturnType<typeof setTimeout> | undefined;
  let wasAway = false;
  const open = (): void => {
    source = new EventSource('/api/feed');
    source.onopen = () => {
      become({ state: 'live' });
      // What happened in between was perhaps not heard.
      if (wasAway) outdateSoon(GRANTS, SIGNALS, PORTAL, '/api/me');
      wasAway = false;
    };
    source.onerror = () => {
      wasAway = true;
      // Perhaps it was let go: why, whoever asks next is told, once. That is to be the page, and not the feed as it comes back.
      outdateSoon('/auth/session');
      become({ state: 'away' });
      // A browser asks again by itself where the connection broke, and not where it was refused.
      if (source.readyState === EventSource.CLOSED) again = setTimeout(open, ASK_AGAIN_MS);
    };
    for (const kind of KINDS) source.addEventListener(kind, (message) => receive(kind, message as MessageEvent));
  };
  open();
  return () => {
    clearTimeout(again);
    source.close();
    become({ state: 'connecting', items: [] });
  };
}

/** Listens for as long as whoever calls it is on the page; called once, by the frame of all pages. A person hears of themselves. */
export function useFeedConnection(): void {
  useEffect(connect, []);
}

export function useFeed(): Feed {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => feed,
  );
}

/** How often lists are asked for: seldom while the feed says what happens, every few seconds without it. */
export const useLiveInterval = (): number => (useFeed().state === 'live' ? 10_000 : 3_000);
