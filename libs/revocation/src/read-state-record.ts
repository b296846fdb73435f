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

/**
 * A text in ASCII, eight bytes at a time, each eight as the number that they make (no eight of ASCII make NaN or -0, so numbers are
 * the same only where the bytes are). The last eight may begin among the ones before them.
 */
interface Fixed {
  length: number;
  eights: Float64Array;
  last: number;
  bytes: Buffer;
}

function ascii(text: string): Fixed {
  const bytes = Buffer.from(text, 'latin1');
  const eights = Float64Array.from({ length: bytes.length >> 3 }, (_, index) => bytes.readDoubleLE(8 * index));
  return { length: bytes.length, eights, last: bytes.length < 8 ? 0 : bytes.readDoubleLE(bytes.length - 8), bytes };
}

const ID = ascii('{"specversion":"1.0","id":"');
const SOURCE = ascii('","source":"');
const TYPE_AND_TIME = ascii(`","type":"${SCOPE_STATE_TYPE}","time":"`);
const SUBJECT = ascii('","datacontenttype":"application/json","subject":"');
const PROVIDER = ascii('","providerid":"');
const SCOPE = ascii('","data":{"scope":"');
const PROVIDER_ID = ascii('","provider_id":"');
const USER = ascii('","user_id":"');
const ORGANIZATION = ascii('","organization_id":"');
const SESSION = ascii('","session_id":"');
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

/** Where something stands that is not as grants writes it; whatever is looked for from there on is not there either. */
const NOWHERE = -1;

// What is being read; of the module, so that nothing is made for a record.
let bytes: Uint8Array = EMPTY;
let view: DataView = new DataView(EMPTY.buffer);
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
  end = recordEnd;
  let at = afterText(after(ID, start), 1);
  at = afterText(after(SOURCE, at), 1);
  at = afterText(after(TYPE_AND_TIME, at), 0);
  at = afterText(after(SUBJECT, at), 0);
  at = afterText(after(PROVIDER, at), 1);
  into.bytes = record;
  into.scopeStart = after(SCOPE, at);
  into.scopeEnd = afterText(into.scopeStart, 1);
  at = afterText(after(PROVIDER_ID, into.scopeEnd), 1);
  at = afterOptional(USER, at);
  at = afterOptional(ORGANIZATION, at);
  at = afterOptional(SESSION, at);
  at = afterMoment(after(CLOSED, at));
  into.closedAt = moment;
  at = afterMoment(after(OPENED, at));
  into.openedAt = moment;
  at = afterMoment(after(TOKENS, at));
  into.tokensBefore = moment;
  at = afterTextOrNull(after(REASON, at));
  into.reasonStart = textStart;
  into.reasonEnd = textEnd;
  at = afterTextOrNull(after(EVENT, at));
  into.eventStart = textStart;
  into.eventEnd = textEnd;
  at = afterMoment(after(OCCURRED, at));
  into.occurredAt = moment;
  return after(END, at) === end;
}

/** Each of these says where what it looks for at `at` has ended, or {@link NOWHERE}. */
function after({ length, eights, last, bytes: short }: Fixed, at: number): number {
  if (at < 0 || at + length > end) return NOWHERE;
  if (length < 8) {
    for (let i = 0; i < length; i++) if (bytes[at + i] !== short[i]) return NOWHERE;
    return at + length;
  }
  for (let i = 0; i < eights.length; i++) if (view.getFloat64(at + 8 * i, true) !== eights[i]) return NOWHERE;
  return view.getFloat64(at + length - 8, true) === last ? at + length : NOWHERE;
}

/** Up to the next quote, which must not be preceded by anything that would not stand for itself. */
function afterText(at: number, minLength: number): number {
  if (at < 0) return NOWHERE;
  let here = at;
  for (; here + 4 <= end; here += 4) {
    const odd = oddOnes(view.getInt32(here, true));
    if (odd === 0) continue;
    here += firstOf(odd);
    return bytes[here] === QUOTE && here - at >= minLength ? here : NOWHERE;
  }
  for (; here < end; here++) {
    const byte = bytes[here]!;
    if (byte === QUOTE) return here - at >= minLength ? here : NOWHERE;
    if (byte < 0x20 || byte > 0x7f || byte === BACKSLASH) return NOWHERE;
  }
  return NOWHERE;
}

/**
 * Of four bytes, the high bit of each that is a quote, a backslash, a control character or no ASCII: each of the three sums leaves
 * out some of these, and sets the bit for all others. What stands behind the first one in the text may be said wrongly.
 */
function oddOnes(word: number): number {
  const ordinary = ((word ^ 0x22222222) + 0x7f7f7f7f) & ((word ^ 0x5c5c5c5c) + 0x7f7f7f7f) & (word + 0x60606060);
  return ~ordinary & 0x80808080;
}

/** Which byte has the lowest bit that is set: the first one, as they stand in the text. */
const firstOf = (odd: number): number => (31 - Math.clz32(odd & -odd)) >> 3;

function afterOptional(member: Fixed, at: number): number {
  const behind = after(member, at);
  return behind < 0 ? at : afterText(behind, 0);
}

let textStart = -1;
let textEnd = -1;

function afterTextOrNull(at: number): number {
  textStart = textEnd = -1;
  const behind = after(NULL, at);
  if (behind >= 0) return behind;
  if (at < 0 || bytes[at] !== QUOTE) return NOWHERE;
  textStart = at + 1;
  textEnd = afterText(textStart, 0);
  return textEnd < 0 ? NOWHERE : textEnd + 1;
}

let moment: Moment = NEVER;

function afterMoment(at: number): number {
  moment = NEVER;
  let behind = after(NULL, at);
  if (behind >= 0) return behind;
  moment = FOR_EVER;
  behind = after(INFINITY, at);
  if (behind >= 0) return behind;
  if (at < 0 || bytes[at] !== QUOTE) return NOWHERE;
  const until = afterText(at + 1, 0);
  if (until < 0) return NOWHERE;
  moment = timeIn(at + 1, until);
  return Number.isNaN(moment) ? NOWHERE : until + 1;
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
