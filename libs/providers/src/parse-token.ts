import { isUtf8 } from 'node:buffer';

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
  if (first <= 0 || second <= first + 1 || token.indexOf('.', second + 1) >= 0) return undefined;
  const header = headerOf(token.slice(0, first));
  if (!header) return undefined;
  const signature = decodeSegment(token.slice(second + 1));
  if (!signature) return undefined;
  const claims = parseObject(decodeSegment(token.slice(first + 1, second)));
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
  const header = parseObject(decodeSegment(segment));
  if (!header) return undefined;
  const { alg, kid, typ } = header;
  if (typeof alg !== 'string' || (kid !== undefined && typeof kid !== 'string')) return undefined;
  if ('crit' in header || 'b64' in header || 'enc' in header || 'zip' in header) return undefined;
  if (typ !== undefined && (typeof typ !== 'string' || !TYPES.has(typ.toLowerCase().replace(/^application\//, '')))) {
    return undefined;
  }
  return header as Header;
}

/** Canonical base64url without padding (RFC 4648, sections 3.5 and 5): the one text that its bytes are written as. */
function decodeSegment(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return text !== '' && bytes.toString('base64url') === text ? bytes : undefined;
}

function parseObject(bytes: Buffer | undefined): Record<string, unknown> | undefined {
  if (!bytes || !isUtf8(bytes)) return undefined;
  const text = bytes.toString('utf8');
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return isPlainAndFlat(text, value) || isShallowWithoutRepeats(text)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Nearly every token: nothing inside the object is nested, and writing it again gives the same text, which it would not if
 * a member had been dropped for being repeated.
 */
function isPlainAndFlat(text: string, value: object): boolean {
  return text.indexOf('{', 1) < 0 && !text.includes('[') && JSON.stringify(value) === text;
}

/**
 * Whether no object in the text has two members of one name, and nothing lies deeper than {@link MAX_DEPTH}. Looks at
 * strings and brackets alone: whether it is JSON at all, JSON.parse says.
 */
function isShallowWithoutRepeats(text: string): boolean {
  const names: (Set<string> | undefined)[] = [];
  let atName = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (character === '"') {
      const end = endOfString(text, i);
      if (end < 0) return false;
      const open = names.at(-1);
      if (atName && open) {
        const name = JSON.parse(text.slice(i, end + 1)) as string;
        if (open.has(name)) return false;
        open.add(name);
        atName = false;
      }
      i = end;
    } else if (character === '{' || character === '[') {
      names.push(character === '{' ? new Set() : undefined);
      if (names.length > MAX_DEPTH) return false;
      atName = character === '{';
    } else if (character === '}' || character === ']') {
      names.pop();
      atName = false;
    } else if (character === ',') {
      atName = names.at(-1) !== undefined;
    }
  }
  return true;
}

function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i += 1;
    else if (text[i] === '"') return i;
  }
  return -1;
}
