/** What a person sees while the stack starts: each line with the seconds since the beginning. */
export class Terminal {
  private readonly startedAt = performance.now();

  say(what: string): void {
    const seconds = ((performance.now() - this.startedAt) / 1000).toFixed(1).padStart(5);
    console.log(`${seconds} s  ${what}`);
  }

  plain(text: string): void {
    console.log(text);
  }

  /** One step of the journey, with the time that it took. */
  step(what: string, ms: number): void {
    console.log(`  ${`${ms.toFixed(ms < 100 ? 1 : 0)} ms`.padStart(9)}  ${what}`);
  }
}

/** What keeps the stack from starting, in one sentence that says what to do. */
export class CannotStart extends Error {
  override readonly name = 'CannotStart';
}

/** The sentence for an error that a person can do something about; the error itself for any other. */
export function sentenceFor(error: unknown): string {
  const code = codeOf(error);
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof CannotStart || (error instanceof Error && error.name === 'NothingToRunOn')) return text;
  if (code === 'ENOSPC' || /No space left on device/.test(text)) {
    return 'The disk is full: free about 500 MB, then run npm start again (npm run reset clears what Rescind has kept).';
  }
  if (/Could not transfer artifact|Could not resolve dependencies|Unknown host|ENOTFOUND|EAI_AGAIN/.test(text)) {
    return 'Kafka could not be fetched: the Maven registry cannot be reached. Check the network or the proxy in ~/.m2/settings.xml, then run npm start again.';
  }
  if (code === 'EACCES' || code === 'EPERM') return `There is no permission for ${text.split("'")[1] ?? text}.`;
  return error instanceof Error ? (error.stack ?? text) : text;
}

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null)?.code;
