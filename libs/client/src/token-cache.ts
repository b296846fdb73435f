const LONGEST_TOKEN = 4_096;
/** 43 characters of base64url are 258 bits of the signature. */
const TAIL_LENGTH = 43;

/**
 * What is known of the tokens used last, in two generations: the older one is dropped whole when the younger one is full. Found
 * by the end of their signature, since it takes long to hash a whole token; that it is this very token is compared after.
 */
export class TokenCache<T> {
  private young = new Map<string, { token: string; value: T }>();
  private old = new Map<string, { token: string; value: T }>();

  /** @param capacity of both generations together */
  constructor(private readonly capacity: number) {}

  get(token: string): T | undefined {
    const tail = token.slice(-TAIL_LENGTH);
    const found = this.young.get(tail);
    if (found) return found.token === token ? found.value : undefined;
    const older = this.old.get(tail);
    if (older?.token !== token) return undefined;
    this.keep(tail, older);
    return older.value;
  }

  set(token: string, value: T): void {
    if (token.length > LONGEST_TOKEN || this.capacity === 0) return;
    this.keep(token.slice(-TAIL_LENGTH), { token, value });
  }

  private keep(tail: string, entry: { token: string; value: T }): void {
    if (this.young.size >= this.capacity / 2) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(tail, entry);
  }
}
