import { momentFromWire, NEVER } from '#contracts/moment.js';
import type { Provider } from './provider.js';

/** Where a client has its states from: {@link streamSource}, {@link kafkaSource}, or one of your own. */
export interface Source {
  /** Called once. What goes wrong is said to the sink, and tried again for as long as it is open. */
  open(sink: Sink): void;
  close(): Promise<void>;
  /** Whether it says {@link Sink.providers}. */
  readonly tellsProviders?: boolean;
}

/** Takes what a source has. States are merged, so any order and any number of times will do. */
export interface Sink {
  state(scope: string, state: SourceState): void;
  /** All that there are now, in place of those before. */
  providers(providers: readonly Provider[]): void;
  /** Everything up to this moment has been handed over. Never said too early: it is what lets people in. */
  proved(proof: Proof): void;
  problem(error: Error): void;
}

/** Of one scope. Moments in ms since the epoch; -Infinity: never, Infinity: for ever. */
export interface SourceState {
  closedAt: number;
  openedAt: number;
  tokensBefore: number;
  closing: { reason: string; sourceEventId: string | null; occurredAt: number } | null;
}

export interface Proof {
  /** RFC 3339. */
  at: string;
  /** How old it was when it came in, ms, by the clock of whoever sent it; 0 where nobody says. */
  ageMs: number;
  /** When it came in, by `performance.now()`. */
  receivedAt: number;
}

/** A state as it stands in JSON, on the stream and in Kafka. Throws where it is none. */
export function stateFromJson(wire: Readonly<Record<string, unknown>>): { scope: string; state: SourceState } {
  const { scope } = wire;
  if (typeof scope !== 'string' || scope === '') throw notUnderstood('scope');
  const closedAt = moment(wire, 'closed_at');
  const [reason, sourceEventId, occurredAt] = [
    text(wire, 'reason'),
    text(wire, 'source_event_id'),
    moment(wire, 'occurred_at'),
  ];
  return {
    scope,
    state: {
      closedAt,
      openedAt: moment(wire, 'opened_at'),
      tokensBefore: moment(wire, 'tokens_before'),
      closing: closedAt === NEVER || reason === null ? null : { reason, sourceEventId, occurredAt },
    },
  };
}

function moment(wire: Readonly<Record<string, unknown>>, name: string): number {
  const value = wire[name];
  const at = value === null || typeof value === 'string' ? momentFromWire(value) : NaN;
  if (Number.isNaN(at)) throw notUnderstood(name);
  return at;
}

function text(wire: Readonly<Record<string, unknown>>, name: string): string | null {
  const value = wire[name];
  if (value !== null && typeof value !== 'string') throw notUnderstood(name);
  return value;
}

const notUnderstood = (name: string): Error => new Error(`a state is not understood: ${name}`);
