import { FOR_EVER, type Moment, NEVER, parseTime } from '#contracts/moment.js';
import { SCOPE_STATE_TYPE } from '#contracts/record-types.js';

/** A scope's state as it stands in the bytes of its record; texts by where they begin and end, and -1 where there is none. */
export class StateInBytes {
  bytes: Uint8Array = EMPTY;
  scopeStart = 0;
  scopeEnd = 0;
  closedAt: Moment = NEVER;
  openedAt: Moment = NEVER;
  tokensBefore: Moment = NEVER;
  reasonStart = -1;
  reasonEnd = -1;
  eventStart = -1;
  eventEnd = -1;
  occurredAt: Moment = NEVER;
}

const EMPTY = new Uint8Array(0);

/** A text in ASCII, four bytes a word as they stand in memory; what does not fill a word stands behind. */
interface Fixed {
  length: number;
  words: Int32Array;
  rest: Uint8Array;
}

function ascii(text: string): Fixed {
  const all = Buffer.from(text, 'latin1');
  const words = Int32Array.from({ length: all.length >> 2 }, (_, index) => all.readInt32LE(4 * index));
  return { length: all.length, words, rest: Uint8Array.from(all.subarray(4 * words.length)) };
}

const ID = ascii('{"specversion":"1.0","id":"');
const SOURCE = ascii('","source":"');
const TYPE_AND_TIME = ascii(`","type":"${SCOPE_STATE_TYPE}","time":"`);
const SUBJECT = ascii('","datacontenttype":"application/json","subject":"');
const PROVIDER = ascii('","providerid":"');
const SCOPE = ascii('","data":{"scope":"');
const PROVIDER_ID = ascii('","provider_id":"');
const OPTIONAL = ['","user_id":"', '","organization_id":"', '","session_id":"'].map(ascii);
const CLOSED = ascii('","closed_at":');
const OPENED = ascii(',"opened_at":');
const TOKENS = ascii(',"tokens_before":');
const REASON = ascii(',"reason":');
const EVENT = ascii(',"source_event_id":');
const OCCURRED = ascii(',"occurred_at":');
const END = ascii('}}');
const NULL = ascii('null');
const INFINITY = ascii('"infinity"');

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

// What is being read, and how far; of the module, so that nothing is made for a record.
let bytes: Uint8Array = EMPTY;
let view: DataView = new DataView(EMPTY.buffer);
let at = 0;
let end = 0;

/**
 * Reads a record of `access.revocation-state` that is written just as grants writes it: the same members in the same order, no
 * space, no escape, ASCII. False for every other record: `decodeStateRecord` says what that is. So it accepts nothing
 * that the strict decoder would not, and it need not parse JSON to do so, which is what a start waits for.
 *
 * @param into holds what was read; when the answer is false it holds nothing of use
 */
export function readStateRecord(record: Uint8Array, start: number, recordEnd: number, into: StateInBytes): boolean {
  if (bytes !== record) {
    bytes = record;
    view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  }
  at = start;
  end = recordEnd;
  if (!skip(ID) || !skipText(1) || !skip(SOURCE) || !skipText(1) || !skip(TYPE_AND_TIME) || !skipText(0)) return false;
  if (!skip(SUBJECT) || !skipText(0) || !skip(PROVIDER) || !skipText(1) || !skip(SCOPE)) return false;
  into.bytes = record;
  into.scopeStart = at;
  if (!skipText(1)) return false;
  into.scopeEnd = at;
  if (!skip(PROVIDER_ID) || !skipText(1)) return false;
  for (const member of OPTIONAL) if (skip(member) && !skipText(0)) return false;
  if (!skip(CLOSED)) return false;
  into.closedAt = takeMoment();
  if (!skip(OPENED)) return false;
  into.openedAt = takeMoment();
  if (!skip(TOKENS)) return false;
  into.tokensBefore = takeMoment();
  if (!skip(REASON) || !takeTextOrNull()) return false;
  into.reasonStart = textStart;
  into.reasonEnd = textEnd;
  if (!skip(EVENT) || !takeTextOrNull()) return false;
  into.eventStart = textStart;
  into.eventEnd = textEnd;
  if (!skip(OCCURRED)) return false;
  into.occurredAt = takeMoment();
  if (!skip(END) || at !== end) return false;
  // NaN, which no moment is, is unlike itself.
  return (
    into.closedAt === into.closedAt &&
    into.openedAt === into.openedAt &&
    into.tokensBefore === into.tokensBefore &&
    into.occurredAt === into.occurredAt
  );
}

function skip({ length, words, rest }: Fixed): boolean {
  if (at + length > end) return false;
  for (let i = 0; i < words.length; i++) if (view.getInt32(at + 4 * i, true) !== words[i]) return false;
  const restAt = at + 4 * words.length;
  for (let i = 0; i < rest.length; i++) if (bytes[restAt + i] !== rest[i]) return false;
  at += length;
  return true;
}

/** Up to the next quote; false where anything stands before it that would not stand for itself. */
function skipText(minLength: number): boolean {
  let here = at;
  while (here + 4 <= end && isOrdinary(view.getInt32(here, true))) here += 4;
  for (; here < end; here++) {
    const byte = bytes[here]!;
    if (byte === QUOTE) break;
    if (byte < 0x20 || byte > 0x7f || byte === BACKSLASH) return false;
  }
  if (here === end || here < at + minLength) return false;
  at = here;
  return true;
}

/**
 * Whether four bytes are ASCII without a control character, a quote or a backslash. False may also be said of others: the high bit
 * of a byte is set where it is not ASCII, and where taking from it borrows.
 */
function isOrdinary(word: number): boolean {
  const quote = word ^ 0x22222222;
  const backslash = word ^ 0x5c5c5c5c;
  const odd =
    word | ((word - 0x20202020) & ~word) | ((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash);
  return (odd & 0x80808080) === 0;
}

let textStart = -1;
let textEnd = -1;

function takeTextOrNull(): boolean {
  textStart = textEnd = -1;
  if (skip(NULL)) return true;
  if (bytes[at] !== QUOTE) return false;
  at += 1;
  const start = at;
  if (!skipText(0)) return false;
  textStart = start;
  textEnd = at;
  at += 1;
  return true;
}

/** NaN where it is none. */
function takeMoment(): Moment {
  if (skip(NULL)) return NEVER;
  if (skip(INFINITY)) return FOR_EVER;
  if (bytes[at] !== QUOTE) return NaN;
  at += 1;
  const start = at;
  if (!skipText(0)) return NaN;
  at += 1;
  return timeIn(start, at - 1);
}

/** As `parseTime`; the form that we write ourselves, `2026-11-28T01:02:03.456Z`, without a regular expression. */
function timeIn(start: number, until: number): Moment {
  if (until - start === 24 && isPunctuated(start)) {
    const year = digits(start, 4);
    const month = digits(start + 5, 2);
    const day = digits(start + 8, 2);
    const hour = digits(start + 11, 2);
    const minute = digits(start + 14, 2);
    const second = digits(start + 17, 2);
    const millisecond = digits(start + 20, 3);
    // As `Date.parse`, which takes 30 February for 2 March. NaN is no number between two others.
    const isOrdinary =
      year >= 1_000 && month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour <= 23 && minute <= 59 && second <= 59;
    if (isOrdinary && millisecond >= 0) {
      return ((daysUntil(year, month, day) * 24 + hour) * 60 + minute) * 60_000 + second * 1_000 + millisecond;
    }
  }
  return parseTime(Buffer.from(bytes.buffer, bytes.byteOffset + start, until - start).toString('latin1'));
}

function isPunctuated(start: number): boolean {
  return (
    bytes[start + 4] === 0x2d &&
    bytes[start + 7] === 0x2d &&
    bytes[start + 10] === 0x54 &&
    bytes[start + 13] === 0x3a &&
    bytes[start + 16] === 0x3a &&
    bytes[start + 19] === 0x2e &&
    bytes[start + 23] === 0x5a
  );
}

function digits(start: number, count: number): number {
  let value = 0;
  for (let i = start; i < start + count; i++) {
    const digit = bytes[i]! - 0x30;
    if (digit < 0 || digit > 9) return NaN;
    value = value * 10 + digit;
  }
  return value;
}

/** Days from 1970-01-01 to this one of the Gregorian calendar: years begin in March here, so that the leap day is the last. */
function daysUntil(year: number, month: number, day: number): number {
  const y = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468;
}
