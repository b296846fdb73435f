import { lastingSource } from './lasting-source.js';
import { providerFromJson } from './provider.js';
import { type Sink, type Source, stateFromJson } from './source.js';

export interface StreamSourceOptions {
  /** Of token-verification: `https://…`. */
  url: string;
  /** An API key that may `verify`. */
  apiKey: string;
  /** Nothing came in for this long: the connection is given up, and another one made, ms. Default 5000. */
  silenceMs?: number;
  fetch?: typeof fetch;
}

/** Of a batch of 500 states with long ids. */
const LONGEST_EVENT = 8 * 1024 * 1024;

/** Reads `GET /v1/revocations/stream`, connects again where it ends, and goes on after the last event that it had. */
export function streamSource(options: StreamSourceOptions): Source {
  const { apiKey, silenceMs = 5_000 } = options;
  const url = new URL('/v1/revocations/stream', options.url);
  let lastEventId: string | undefined;

  async function readOnce(sink: Sink, went: () => void, stopped: AbortSignal): Promise<void> {
    const silence = new AbortController();
    const watch = setTimeout(() => silence.abort(new Error('the stream is silent')), silenceMs);
    try {
      const answer = await (options.fetch ?? fetch)(url, {
        headers: {
          accept: 'text/event-stream',
          authorization: `Bearer ${apiKey}`,
          ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
        },
        redirect: 'error',
        signal: AbortSignal.any([stopped, silence.signal]),
      });
      if (!answer.ok || !answer.body) {
        await answer.body?.cancel();
        throw new Error(`the stream was answered with ${answer.status}`);
      }
      let isReady = false;
      for await (const event of eventsIn(answer.body, () => watch.refresh())) {
        if (event.name === 'states') takeStates(sink, event.data);
        else if (event.name === 'providers') takeProviders(sink, event.data);
        else if (event.name === 'ready') {
          isReady = true;
          went();
        } else if (event.name === 'stale') sink.problem(new Error('the service says that it is stale'));
        // Before `ready` something may be lacking, whatever the proofs of the server say.
        if (isReady && (event.name === 'ready' || event.name === 'heartbeat')) takeProof(sink, event.data);
        // Only now: what was not taken must come again.
        if (event.id !== undefined) lastEventId = event.id;
      }
      throw new Error('the stream has ended');
    } finally {
      clearTimeout(watch);
    }
  }

  return { tellsProviders: true, ...lastingSource(readOnce) };
}

function takeStates(sink: Sink, data: unknown): void {
  const { states } = data as { states?: unknown };
  if (!Array.isArray(states)) throw new Error('the stream is not understood: states');
  for (const wire of states as Record<string, unknown>[]) {
    const { scope, state } = stateFromJson(wire);
    sink.state(scope, state);
  }
}

/** One that is not understood is left out, which shuts out its own people alone. */
function takeProviders(sink: Sink, data: unknown): void {
  const { providers } = data as { providers?: unknown };
  if (!Array.isArray(providers)) throw new Error('the stream is not understood: providers');
  const understood = (providers as Record<string, unknown>[]).flatMap((wire) => {
    try {
      return providerFromJson(wire);
    } catch (error) {
      sink.problem(error as Error);
      return [];
    }
  });
  sink.providers(understood);
}

function takeProof(sink: Sink, data: unknown): void {
  const { as_of: at, age_ms: ageMs } = data as { as_of?: unknown; age_ms?: unknown };
  if (typeof at !== 'string' || typeof ageMs !== 'number' || !(ageMs >= 0)) return;
  sink.proved({ at, ageMs, receivedAt: performance.now() });
}

interface StreamEvent {
  name: string;
  id: string | undefined;
  data: unknown;
}

/** Server-sent events (WHATWG HTML, section 9.2), as far as they are needed: each of ours has one line of data, in JSON. */
async function* eventsIn(body: ReadableStream<Uint8Array>, onBytes: () => void): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    onBytes();
    rest += decoder.decode(chunk, { stream: true });
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const event = eventOf(rest.slice(0, end));
      rest = rest.slice(end + 2);
      if (event) yield event;
    }
    if (rest.length > LONGEST_EVENT) throw new Error('the stream is not understood: an event has no end');
  }
}

function eventOf(text: string): StreamEvent | undefined {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trimStart());
  }
  const data = fields.get('data');
  if (data === undefined) return undefined;
  return { name: fields.get('event') ?? 'message', id: fields.get('id'), data: JSON.parse(data) as unknown };
}
