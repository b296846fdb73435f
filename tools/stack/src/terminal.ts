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

/** The sentence for an error that a person can do something about; the error with its stack for any other. */
export function sentenceFor(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, path } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || error.message.includes('No space left on device')) {
    return 'The disk is full: free about 500 MB and run npm start again (npm run reset clears what Rescind has kept).';
  }
  if (error.name === 'CannotRun') return error.message;
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return `${path ?? 'A file'} may not be written (${code}): give yourself the permission, or name another folder with RESCIND_LOCAL_DIR.`;
  }
  return error.stack ?? error.message;
}
