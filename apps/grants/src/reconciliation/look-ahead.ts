/**
 * Answers that were asked for before anybody needs them, so that WorkOS is asked for the next page while what the last one brought is
 * being kept. They are in memory alone: whoever goes on elsewhere asks again.
 */
export class LookAhead<T> {
  private readonly asked = new Map<string, Promise<T>>();

  /** What was asked for under this name, or what is answered now. Either is given away once, a failure too. */
  take(name: string, ask: () => Promise<T>): Promise<T> {
    const known = this.asked.get(name);
    this.asked.delete(name);
    return known ?? ask();
  }

  /** Asks now for what will be taken soon. */
  ask(name: string, ask: () => Promise<T>): void {
    if (this.asked.has(name)) return;
    const answer = ask();
    // Whoever takes it hears of a failure; if nobody does, nobody has to.
    answer.catch(() => undefined);
    this.asked.set(name, answer);
  }

  /** Nothing of it will be taken any more: another run or phase, or WorkOS wants to be left alone. */
  forget(): void {
    this.asked.clear();
  }
}
