const LONGEST_TOKEN = 4_096;
/** As many characters of base64url as a small integer holds; the very last one has bits that are always zero. */
const TAIL_LENGTH = 5;

interface Entry<T> {
  token: string;
  value: T;
}

/**
 * What is known of the tokens used last, in two generations: the older one is dropped whole when the younger one is full. They
 * are found by the end of their signature, since it takes long to hash a whole token; that it is this very token is compared
 * after. Of two with the same end, which among a hundred thousand signatures hardly any have, the one used last is kept.
 */
export class TokenCache<T> {
  private young = new Map<number, Entry<T>>();
  private old = new Map<number, Entry<T>>();

  /** @param capacity of both generations together; a token of more than 4,096 characters is not kept */
  constructor(private readonly capacity: number) {}

  get(token: string): T | undefined {
    const tail = tailOf(token);
    const found = this.young.get(tail);
    if (found?.token === token) return found.value;
    const older = this.old.get(tail);
    if (older?.token !== token) return undefined;
    this.keep(tail, older);
    return older.value;
  }

  set(token: string, value: T): void {
    if (token.length > LONGEST_TOKEN || this.capacity === 0) return;
    this.keep(tailOf(token), { token, value });
  }

  delete(token: string): void {
    const tail = tailOf(token);
    this.young.delete(tail);
    this.old.delete(tail);
  }

  private keep(tail: number, entry: Entry<T>): void {
    if (this.young.size >= this.capacity / 2) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(tail, entry);
  }
}

function tailOf(token: string): number {
  let tail = 0;
  const end = token.length - 1;
  // 30 bits: of a character the lower six, in which those of base64url differ but for a few.
  for (let i = end - TAIL_LENGTH; i < end; i++) tail = (tail << 6) | (token.charCodeAt(i) & 0x3f);
  return tail;
}
