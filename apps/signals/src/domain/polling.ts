/** So many SETs are asked for at once; fewer after an answer that was too large. */
export const MOST_SETS = 100;

export interface SetError {
  err: string;
  description: string;
}

/** Where one source stands between two requests. */
export interface PollState {
  /** Settled here; told until a request that told it was answered. */
  ack: readonly string[];
  setErrs: ReadonlyMap<string, SetError>;
  maxEvents: number;
  /** Long polling; not after a request that was held longer than we wait: whether it still answers is asked first. */
  waits: boolean;
}

export const FIRST_POLL: PollState = { ack: [], setErrs: new Map(), maxEvents: MOST_SETS, waits: true };

/** RFC 8936, section 2.4: acknowledgements of what came before and a request for more, in one. */
export const pollRequest = ({ ack, setErrs, maxEvents, waits }: PollState): string =>
  JSON.stringify({
    maxEvents,
    returnImmediately: !waits,
    ...(ack.length > 0 ? { ack } : {}),
    ...(setErrs.size > 0 ? { setErrs: Object.fromEntries(setErrs) } : {}),
  });

/** The SETs of an answer (section 2.5) by their `jti`; undefined: it is none. */
export function readPollAnswer(body: string): [jti: string, set: unknown][] | undefined {
  try {
    const { sets } = JSON.parse(body) as { sets?: unknown };
    return typeof sets === 'object' && sets !== null && !Array.isArray(sets) ? Object.entries(sets) : undefined;
  } catch {
    return undefined;
  }
}

/** What became of the SETs of one answer; the rest has to come again. */
export interface Settled {
  ack: readonly string[];
  setErrs: ReadonlyMap<string, SetError>;
}

/** Whether there was anything that it had not been told of before: if not, it does not listen, and is not asked again at once. */
export const isProgress = (told: Settled, { ack, setErrs }: Settled): boolean => {
  const before = new Set([...told.ack, ...told.setErrs.keys()]);
  return [...ack, ...setErrs.keys()].some((jti) => !before.has(jti));
};

/** After an answer: what was told is told. */
export const answered = ({ maxEvents }: PollState, { ack, setErrs }: Settled): PollState => ({
  ack,
  setErrs,
  maxEvents: Math.min(MOST_SETS, maxEvents * 2),
  waits: true,
});

/** After one that was larger than we take. */
export const askForFewer = (state: PollState): PollState => ({
  ...state,
  maxEvents: Math.max(1, Math.floor(state.maxEvents / 2)),
});

const LONGEST_RETRY_AFTER_MS = 600_000;

/** `Retry-After` (RFC 9110, section 10.2.3), in seconds or as a date; bounded, so that nobody is silenced for good. */
export function retryAfterHeaderMs(header: string | undefined, now: Date): number {
  if (header === undefined) return 0;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1_000 : Date.parse(header) - now.getTime();
  return Number.isNaN(ms) ? 0 : Math.min(LONGEST_RETRY_AFTER_MS, Math.max(0, ms));
}
