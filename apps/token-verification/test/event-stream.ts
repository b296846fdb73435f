export interface StreamEvent {
  event: string;
  id: string | undefined;
  data: {
    states?: { scope: string; closed_at: string | null; reason: string | null }[];
    resumed?: boolean;
    as_of?: string | null;
    age_ms?: number | null;
    problem?: string;
    providers?: Record<string, unknown>[];
  };
}

/** Server-sent events as they come in, until the stream ends or the caller has enough. */
export async function* eventsOf(
  url: string,
  headers: Record<string, string> = {},
): AsyncGenerator<StreamEvent, void, void> {
  const stop = new AbortController();
  try {
    const answer = await fetch(url, { headers, signal: stop.signal });
    if (answer.status !== 200) throw new Error(`answered with ${answer.status}: ${await answer.text()}`);
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true });
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        yield eventOf(text.slice(0, end));
        text = text.slice(end + 2);
      }
    }
  } finally {
    stop.abort();
  }
}

function eventOf(text: string): StreamEvent {
  const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, 'm').exec(text)?.[1];
  return { event: field('event')!, id: field('id'), data: JSON.parse(field('data')!) as StreamEvent['data'] };
}

/** All events up to the first one of this name. */
export async function eventsUntil(
  last: string,
  url: string,
  headers: Record<string, string> = {},
): Promise<StreamEvent[]> {
  const seen: StreamEvent[] = [];
  for await (const event of eventsOf(url, headers)) {
    seen.push(event);
    if (event.event === last) return seen;
  }
  throw new Error(`the stream ended before ${last}`);
}

export const scopesIn = (seen: readonly StreamEvent[]): string[] =>
  seen.flatMap(({ data }) => data.states ?? []).map(({ scope }) => scope);
