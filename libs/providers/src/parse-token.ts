import { isUtf8 } from 'node:buffer';
import { readFlatObject } from './flat-object.js';

/** A JWS in compact serialization (RFC 7515, section 7.1), taken apart and not yet believed. */
export interface ParsedToken {
  header: Readonly<Record<string, unknown>> & { alg: string; kid?: string };
  claims: Readonly<Record<string, unknown>>;
  /** What was signed: `BASE64URL(header) . BASE64URL(payload)`. */
  signingInput: string;
  signature: Buffer;
}

export const MAX_TOKEN_LENGTH = 16_384;
const MAX_DEPTH = 16;
const TYPES = new Set(['jwt', 'at+jwt']);

type Header = ParsedToken['header'];

/**
 * Undefined unless the text is a JWT as RFC 7519 and RFC 8725 want it: three segments of canonical base64url, JSON objects
 * in UTF-8 without a repeated member (RFC 7515, section 4), no `crit` and nothing of JWE, a `typ` that is none or says JWT.
 */
export function parseToken(token: string): ParsedToken | undefined {
  if (token.length > MAX_TOKEN_LENGTH) return undefined;
  const first = token.indexOf('.');
  const second = token.indexOf('.', first + 1);
  if (first <= 0 || second <= first + 1) return undefined;
  const header = headerOf(token.slice(0, first));
  if (!header) return undefined;
  // Of an unsecured JWT it is empty (RFC 7519, section 6.1): well-formed, and refused for its algorithm.
  const isUnsecured = header.alg === 'none' && second === token.length - 1;
  // Another dot is no character of base64url.
  const signature = isUnsecured ? Buffer.alloc(0) : decodeSegment(token.slice(second + 1));
  if (!signature) return undefined;
  const claims = parseSegment(token.slice(first + 1, second));
  return claims && { header, claims, signingInput: token.slice(0, second), signature };
}

/** Tokens of one key have the same header, to the letter: those that were read last need not be read again. */
const headers = new Map<string, Header>();
const REMEMBERED_HEADERS = 64;
const MAX_REMEMBERED_LENGTH = 512;

function headerOf(segment: string): Header | undefined {
  const known = headers.get(segment);
  if (known) return known;
  const header = readHeader(segment);
  if (header && segment.length <= MAX_REMEMBERED_LENGTH) {
    if (headers.size >= REMEMBERED_HEADERS) headers.clear();
    headers.set(segment, Object.freeze(header));
  }
  return header;
}

function readHeader(segment: string): Header | undefined {
  const header = parseSegment(segment);
  if (!header) return undefined;
  const { alg, kid, typ } = header;
  if (typeof alg !== 'string' || (kid !== undefined && typeof kid !== 'string')) return undefined;
  if ('crit' in header || 'b64' in header || 'enc' in header || 'zip' in header) return undefined;
  if (typ !== undefined && (typeof typ !== 'string' || !TYPES.has(typ.toLowerCase().replace(/^application\//, '')))) {
    return undefined;
  }
  return header as Header;
}

/** The last characters that a canonical text may have, by its length modulo 4: the bits that are no byte's are zero. */
const LAST = [undefined, '', 'AQgw', 'AEIMQUYcgkosw048'];

/**
 * How many bytes the text must have if it is canonical base64url without padding (RFC 4648, sections 3.5 and 5), the one text that
 * its bytes are written as; else -1. Node skips what is no character of it, which shows in the length, and takes `+` and `/` for `-`
 * and `_`.
 */
function lengthOf(text: string): number {
  const { length } = text;
  const last = LAST[length & 3];
  if (length === 0 || (last !== undefined && !last.includes(text[length - 1]!)) || (length & 3) === 1) return -1;
  return text.includes('+') || text.includes('/') ? -1 : (length * 3) >> 2;
}

export function decodeSegment(text: string): Buffer | undefined {
  const length = lengthOf(text);
  if (length < 0) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  return bytes.length === length ? bytes : undefined;
}

/** Where a segment is read, at once; used again and again. */
const scratch = Buffer.allocUnsafeSlow(MAX_TOKEN_LENGTH);

function parseSegment(text: string): Record<string, unknown> | undefined {
  const length = lengthOf(text);
  if (length < 0 || scratch.write(text, 'base64url') !== length) return undefined;
  // Right after RSA it takes a sixth of the time that JSON.parse takes: both are out of the processor's caches then, and it is small.
  return readFlatObject(scratch, length) ?? parseObject(scratch.subarray(0, length));
}

/** A JSON object in UTF-8 (RFC 8259) in which no object has two members of one name, and nothing lies deeper than {@link MAX_DEPTH}. */
export function parseObject(bytes: Buffer): Record<string, unknown> | undefined {
  if (!isUtf8(bytes)) return undefined;
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    // Of members of one name JSON.parse keeps the last one.
    return namesIn(bytes) === membersOf(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const [QUOTE, BACKSLASH, COLON] = [0x22, 0x5c, 0x3a];
const [OPENS_OBJECT, OPENS_LIST, ENDS_OBJECT, ENDS_LIST] = [0x7b, 0x5b, 0x7d, 0x5d];

/** How many members stand in the text of JSON, repeated or not; NaN where anything lies too deep. */
function namesIn(json: Buffer): number {
  const { length } = json;
  let names = 0;
  let depth = 0;
  for (let i = 0; i < length; i++) {
    const byte = json[i]!;
    if (byte === QUOTE) {
      for (i += 1; i < length && json[i] !== QUOTE; i++) if (json[i] === BACKSLASH) i += 1;
    } else if (byte === COLON) names += 1;
    else if (byte === OPENS_OBJECT || byte === OPENS_LIST) {
      depth += 1;
      if (depth > MAX_DEPTH) return NaN;
    } else if (byte === ENDS_OBJECT || byte === ENDS_LIST) depth -= 1;
  }
  return names;
}

/** How many members an object that came from JSON has, with those of all that is in it. */
function membersOf(value: object): number {
  let members = 0;
  const isList = Array.isArray(value);
  for (const name in value) {
    if (!isList) members += 1;
    const inner = (value as Record<string, unknown>)[name];
    if (typeof inner === 'object' && inner !== null) members += membersOf(inner);
  }
  return members;
}
