/** What most claims are: a text, a whole number from 1, or a list of texts. */
type Plain = string | number | string[];

const [QUOTE, BACKSLASH, COLON, COMMA] = [0x22, 0x5c, 0x3a, 0x2c];
const [OPENS_OBJECT, ENDS_OBJECT, OPENS_LIST, ENDS_LIST] = [0x7b, 0x7d, 0x5b, 0x5d];
const [FIRST_PRINTABLE, LAST_PRINTABLE] = [0x20, 0x7e];
const [ZERO, ONE, NINE] = [0x30, 0x31, 0x39];
/** Whatever they are, the number is exact. */
const MOST_DIGITS = 15;

/** The names that stood last at each place: tokens of one issuer have the same ones in the same order. */
const names: string[] = [];
const MOST_NAMES = 32;
const LONGEST_NAME = 64;

// What is being read; of the module, so that nothing is made for it.
let bytes: Uint8Array = new Uint8Array(0);
let text = '';
let end = 0;
let at = 0;

/**
 * Reads a JSON object (RFC 8259) whose values are {@link Plain}, in ASCII, without white space and escapes, in which no two
 * members have one name and none has a name that every object has (`__proto__`, `constructor`): just what `JSON.parse` would make of it.
 * Undefined for every other text, JSON or not; `JSON.parse` can say what that is.
 *
 * @param length of the text, which begins where `json` begins
 */
export function readFlatObject(json: Buffer, length: number): Record<string, unknown> | undefined {
  bytes = json;
  text = json.toString('latin1', 0, length);
  end = length;
  at = 1;
  if (bytes[0] !== OPENS_OBJECT) return undefined;
  const object: Record<string, Plain> = {};
  for (let place = 0; at < end; place++) {
    const name = readName(place);
    if (name === undefined || bytes[at] !== COLON || name in object) return undefined;
    at += 1;
    const value = bytes[at] === OPENS_LIST ? readList() : readValue();
    if (value === undefined) return undefined;
    object[name] = value;
    const next = bytes[at++];
    if (next === ENDS_OBJECT) return at === end ? object : undefined;
    if (next !== COMMA) return undefined;
  }
  return undefined;
}

function readName(place: number): string | undefined {
  const likely = names[place];
  if (likely !== undefined && bytes[at] === QUOTE && text.startsWith(likely, at + 1)) {
    const after = at + 1 + likely.length;
    if (bytes[after] === QUOTE) {
      at = after + 1;
      return likely;
    }
  }
  const name = readText();
  if (name !== undefined && place < MOST_NAMES && name.length <= LONGEST_NAME) names[place] = name;
  return name;
}

function readText(): string | undefined {
  if (bytes[at] !== QUOTE) return undefined;
  const start = at + 1;
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    if (byte === QUOTE) {
      at = i + 1;
      return text.slice(start, i);
    }
    if (byte < FIRST_PRINTABLE || byte > LAST_PRINTABLE || byte === BACKSLASH) return undefined;
  }
  return undefined;
}

function readValue(): string | number | undefined {
  const first = bytes[at]!;
  if (first < ONE || first > NINE) return readText();
  const start = at;
  let value = 0;
  for (let byte = first; byte >= ZERO && byte <= NINE; byte = bytes[++at]!) value = 10 * value + byte - ZERO;
  return at - start <= MOST_DIGITS ? value : undefined;
}

function readList(): string[] | undefined {
  at += 1;
  if (bytes[at] === ENDS_LIST) {
    at += 1;
    return [];
  }
  const list: string[] = [];
  for (;;) {
    const entry = readText();
    if (entry === undefined) return undefined;
    list.push(entry);
    const next = bytes[at++];
    if (next === ENDS_LIST) return list;
    if (next !== COMMA) return undefined;
  }
}
