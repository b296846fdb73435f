import { type Moment, NEVER } from '#contracts/moment.js';
import type { StateInBytes } from './read-state-record.js';
import { type Holder, membershipKey, organizationKey, type ScopeKey, sessionKey, userKey } from './scope.js';
import { type Closing, merge, OPEN, sameState, type ScopeState } from './scope-state.js';

/** Small, since a test makes thousands of tables. */
const CHUNK = 1_024;
/** Of one entry in a chunk's numbers. */
const [CLOSED, OPENED, TOKENS, OCCURRED, MOMENTS] = [0, 1, 2, 3, 4];
const [KEY, EVENT, PROVIDER, REASON, FIELDS] = [0, 1, 2, 3, 4];
/** No change; see {@link StateTable.take}. */
export const NONE = -1;
/** No reason, no event: every number of these begins at 1. */
const NO_TEXT = 0;
const [SLASH, COLON] = [0x2f, 0x3a];

interface Begun {
  user: number;
  organization: number;
  membership: number;
  session: number;
}

/**
 * States by scope key, in bytes rather than objects: about a third of the memory of a `Map`, and nothing for the garbage
 * collector to walk through (ADR 5). Open addressing over the entries' numbers; the whole key is compared, so that two scopes
 * never meet. Nothing is ever removed.
 */
export class StateTable {
  private count = 0;
  /** Slots of two numbers, that of the entry + 1 (0: free) and its hash: side by side, so that one look into memory gets both. */
  private slots = new Int32Array(2 * 64);
  private readonly moments: Float64Array[] = [];
  private readonly fields: Uint32Array[] = [];
  private readonly arena = new Arena();
  private readonly providers = new Interned();
  private readonly reasons = new Interned();
  /** Unlike in each process, so that nobody can choose ids that all fall into one place. */
  private readonly seed = (Math.random() * 2 ** 32) | 0;
  /** Of each provider that was asked about: the hashes of what stands before the ids, for {@link hashesOf}. */
  private readonly begun = new Map<string, Begun>();
  /** A text as the arena has it. */
  private encoded = Buffer.alloc(1_024);

  get size(): number {
    return this.count;
  }

  /** Where a key would be; for {@link mayHold}. */
  hashOf(key: ScopeKey): number {
    return finished(mixedWith(this.seed, key));
  }

  /** {@link hashOf} each of a holder's scopes, as `scopesOf` has them. Their texts are not made: that takes longer than looking them up. */
  hashesOf(providerId: string, { userId, organizationId, sessionId }: Omit<Holder, 'providerId'>): number[] {
    const begun = this.begun.get(providerId) ?? this.begin(providerId);
    const user = finished(mixedWith(begun.user, userId));
    const session = sessionId === undefined ? user : finished(mixedWith(begun.session, sessionId));
    if (organizationId === undefined) return sessionId === undefined ? [user] : [user, session];
    const organization = finished(mixedWith(begun.organization, organizationId));
    const member = mixed(mixedWith(begun.membership, userId), COLON);
    const membership = finished(mixedWith(member, organizationId));
    // Each as a whole: a list that grows is given room for sixteen more.
    return sessionId === undefined ? [user, organization, membership] : [user, organization, membership, session];
  }

  /** False: there is no key of this hash. True says nothing. */
  mayHold(hash: number): boolean {
    const { slots } = this;
    const mask = slots.length - 1;
    for (let slot = firstSlot(hash, mask); slots[slot] !== 0; slot = (slot + 2) & mask) {
      if (slots[slot + 1] === hash) return true;
    }
    return false;
  }

  get(key: ScopeKey): ScopeState | undefined {
    const slot = this.slotOf(key, this.hashOf(key));
    return slot < 0 ? undefined : this.read(this.slots[slot]! - 1);
  }

  /** Merges into what is known. The number of the scope, for {@link at}; {@link NONE} where that changed nothing. */
  take(key: ScopeKey, state: ScopeState): number {
    const hash = this.hashOf(key);
    const slot = this.slotOf(key, hash);
    if (slot >= 0) return this.mergeInto(this.slots[slot]! - 1, state);
    const after = key.indexOf('/') + 1;
    const entry = this.add(hash, ~slot, this.providers.of(key.slice(0, after)));
    this.fieldsOf(entry)[fieldAt(entry) + KEY] = this.keep(key.slice(after));
    this.write(entry, merge(OPEN, state));
    return entry;
  }

  /** As {@link take}, without making a text or an object of what was read. */
  takeRead(state: StateInBytes): number {
    const { bytes, scopeStart, scopeEnd } = state;
    let hash = this.seed;
    let after = scopeStart;
    for (let i = scopeStart; i < scopeEnd; i++) {
      const byte = bytes[i]!;
      hash = mixed(hash, byte);
      if (byte === SLASH && after === scopeStart) after = i + 1;
    }
    hash = finished(hash);
    const provider = this.providers.ofBytes(bytes, scopeStart, after);
    const slot = this.slotOfBytes(hash, provider, bytes, after, scopeEnd);
    if (slot >= 0) return this.mergeInto(this.slots[slot]! - 1, stateOf(state));
    const entry = this.add(hash, ~slot, provider);
    const fields = this.fieldsOf(entry);
    const field = fieldAt(entry);
    fields[field + KEY] = this.arena.write(bytes, after, scopeEnd);
    const { closedAt, openedAt, tokensBefore, occurredAt, reasonStart } = state;
    const isExplained = closedAt !== NEVER && reasonStart >= 0;
    this.writeMoments(entry, closedAt, openedAt, tokensBefore, isExplained ? occurredAt : NEVER);
    if (!isExplained) return entry;
    fields[field + REASON] = this.reasons.ofBytes(bytes, reasonStart, state.reasonEnd);
    if (state.eventStart >= 0) fields[field + EVENT] = this.arena.write(bytes, state.eventStart, state.eventEnd);
    return entry;
  }

  /** All of them in the order in which they came; what comes meanwhile comes too. */
  *entries(): Generator<[ScopeKey, ScopeState]> {
    for (let entry = 0; entry < this.count; entry++) yield this.at(entry);
  }

  /** The scope of this number, from 0 to {@link size}. */
  at(entry: number): [ScopeKey, ScopeState] {
    const fields = this.fieldsOf(entry);
    const field = fieldAt(entry);
    return [this.providers.at(fields[field + PROVIDER]!) + this.arena.read(fields[field + KEY]!), this.read(entry)];
  }

  private begin(providerId: string): Begun {
    const begun = {
      user: mixedWith(this.seed, userKey(providerId, '')),
      organization: mixedWith(this.seed, organizationKey(providerId, '')),
      membership: mixedWith(this.seed, membershipKey(providerId, '', '').slice(0, -1)),
      session: mixedWith(this.seed, sessionKey(providerId, '')),
    };
    this.begun.set(providerId, begun);
    return begun;
  }

  /** The slot that holds the key, or the complement of the free one where it would go. */
  private slotOf(key: ScopeKey, hash: number): number {
    if (!this.mayHold(hash)) return ~this.freeSlot(hash);
    const after = key.indexOf('/') + 1;
    const length = this.encode(key.slice(after));
    return this.slotOfBytes(hash, this.providers.of(key.slice(0, after)), this.encoded, 0, length);
  }

  private slotOfBytes(hash: number, provider: number, bytes: Uint8Array, start: number, end: number): number {
    const { slots } = this;
    const mask = slots.length - 1;
    let slot = firstSlot(hash, mask);
    for (; slots[slot] !== 0; slot = (slot + 2) & mask) {
      if (slots[slot + 1] !== hash) continue;
      const entry = slots[slot]! - 1;
      const fields = this.fieldsOf(entry);
      const field = fieldAt(entry);
      if (fields[field + PROVIDER] === provider && this.arena.holds(fields[field + KEY]!, bytes, start, end)) {
        return slot;
      }
    }
    return ~slot;
  }

  private freeSlot(hash: number): number {
    const { slots } = this;
    const mask = slots.length - 1;
    let slot = firstSlot(hash, mask);
    while (slots[slot] !== 0) slot = (slot + 2) & mask;
    return slot;
  }

  private add(hash: number, slot: number, provider: number): number {
    const entry = this.count++;
    if (entry % CHUNK === 0) {
      this.moments.push(new Float64Array(CHUNK * MOMENTS));
      this.fields.push(new Uint32Array(CHUNK * FIELDS));
    }
    this.fieldsOf(entry)[fieldAt(entry) + PROVIDER] = provider;
    this.slots[slot] = entry + 1;
    this.slots[slot + 1] = hash;
    if (this.count > this.slots.length * 0.35) this.grow();
    return entry;
  }

  private mergeInto(entry: number, state: ScopeState): number {
    const known = this.read(entry);
    const merged = merge(known, state);
    if (sameState(known, merged)) return NONE;
    this.write(entry, merged);
    return entry;
  }

  private write(entry: number, { closedAt, openedAt, tokensBefore, closing }: ScopeState): void {
    this.writeMoments(entry, closedAt, openedAt, tokensBefore, closing?.occurredAt ?? NEVER);
    const fields = this.fieldsOf(entry);
    const field = fieldAt(entry);
    fields[field + REASON] = closing === null ? NO_TEXT : this.reasons.of(closing.reason);
    fields[field + EVENT] = this.keptEvent(fields[field + EVENT]!, closing?.sourceEventId ?? null);
  }

  private writeMoments(
    entry: number,
    closedAt: Moment,
    openedAt: Moment,
    tokensBefore: Moment,
    occurredAt: Moment,
  ): void {
    const moments = this.moments[chunkOf(entry)]!;
    const at = momentAt(entry);
    moments[at + CLOSED] = closedAt;
    moments[at + OPENED] = openedAt;
    moments[at + TOKENS] = tokensBefore;
    moments[at + OCCURRED] = occurredAt;
  }

  /** In the place of the old one where it is just as long, which ids are: a scope that closes again and again takes no more. */
  private keptEvent(old: number, eventId: string | null): number {
    if (eventId === null) return NO_TEXT;
    const length = this.encode(eventId);
    return this.arena.rewrite(old, this.encoded, length) ? old : this.arena.write(this.encoded, 0, length);
  }

  private keep(text: string): number {
    const length = this.encode(text);
    return this.arena.write(this.encoded, 0, length);
  }

  private read(entry: number): ScopeState {
    const moments = this.moments[chunkOf(entry)]!;
    const at = momentAt(entry);
    return {
      closedAt: moments[at + CLOSED]!,
      openedAt: moments[at + OPENED]!,
      tokensBefore: moments[at + TOKENS]!,
      closing: this.closingOf(entry, moments[at + OCCURRED]!),
    };
  }

  private closingOf(entry: number, occurredAt: Moment): Closing | null {
    const fields = this.fieldsOf(entry);
    const reason = fields[fieldAt(entry) + REASON]!;
    if (reason === NO_TEXT) return null;
    const event = fields[fieldAt(entry) + EVENT]!;
    return {
      reason: this.reasons.at(reason),
      sourceEventId: event === NO_TEXT ? null : this.arena.read(event),
      occurredAt,
    };
  }

  private fieldsOf(entry: number): Uint32Array {
    return this.fields[chunkOf(entry)]!;
  }

  /** Into {@link encoded}; says how long it is. */
  private encode(text: string): number {
    if (2 * text.length + 1 > this.encoded.length) this.encoded = Buffer.alloc(4 * text.length);
    return encodeText(text, this.encoded);
  }

  private grow(): void {
    const old = this.slots;
    this.slots = new Int32Array(old.length * 2);
    for (let from = 0; from < old.length; from += 2) {
      if (old[from] === 0) continue;
      const slot = this.freeSlot(old[from + 1]!);
      this.slots[slot] = old[from]!;
      this.slots[slot + 1] = old[from + 1]!;
    }
  }
}

/** Slots begin at even places. */
const firstSlot = (hash: number, mask: number): number => (hash << 1) & mask;
const chunkOf = (entry: number): number => Math.floor(entry / CHUNK);
const momentAt = (entry: number): number => (entry % CHUNK) * MOMENTS;
const fieldAt = (entry: number): number => (entry % CHUNK) * FIELDS;

const mixed = (hash: number, code: number): number => Math.imul(hash ^ code, 0x5bd1e995) ^ (hash >>> 15);

function mixedWith(hash: number, text: string): number {
  for (let i = 0; i < text.length; i++) hash = mixed(hash, text.charCodeAt(i));
  return hash;
}

function finished(hash: number): number {
  const spread = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return spread ^ (spread >>> 13);
}

function stateOf(read: StateInBytes): ScopeState {
  const { bytes, closedAt, openedAt, tokensBefore, reasonStart, reasonEnd, eventStart, eventEnd, occurredAt } = read;
  const closing =
    closedAt === NEVER || reasonStart < 0
      ? null
      : {
          reason: latin1(bytes, reasonStart, reasonEnd),
          sourceEventId: eventStart < 0 ? null : latin1(bytes, eventStart, eventEnd),
          occurredAt,
        };
  return { closedAt, openedAt, tokensBefore, closing };
}

const latin1 = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');

/** Before what is no ASCII; then comes UTF-16, so that every text has one form, and comes back from it to the letter. */
const UTF16 = 0x80;

function encodeText(text: string, into: Buffer): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80) {
      into[0] = UTF16;
      return 1 + into.write(text, 1, 'utf16le');
    }
    into[i] = code;
  }
  return text.length;
}

const decodeText = (bytes: Buffer, start: number, end: number): string =>
  bytes[start] === UTF16 && start < end
    ? bytes.toString('utf16le', start + 1, end)
    : bytes.toString('latin1', start, end);

/** Few different texts, by number. */
class Interned {
  private readonly texts: string[] = [''];
  private readonly numbers = new Map<string, number>();
  /** The ones that came first, in bytes: mostly all there are. */
  private readonly first: { bytes: Buffer; number: number }[] = [];

  at(number: number): string {
    return this.texts[number]!;
  }

  of(text: string): number {
    let number = this.numbers.get(text);
    if (number === undefined) {
      number = this.texts.push(text) - 1;
      this.numbers.set(text, number);
    }
    return number;
  }

  /** Of a text in ASCII. */
  ofBytes(bytes: Uint8Array, start: number, end: number): number {
    for (const known of this.first)
      if (isSame(known.bytes, 0, known.bytes.length, bytes, start, end)) return known.number;
    const text = latin1(bytes, start, end);
    const number = this.of(text);
    if (this.first.length < 16) this.first.push({ bytes: Buffer.from(text, 'latin1'), number });
    return number;
  }
}

function isSame(a: Uint8Array, aStart: number, aEnd: number, b: Uint8Array, bStart: number, bEnd: number): boolean {
  if (aEnd - aStart !== bEnd - bStart) return false;
  const ahead = bStart - aStart;
  for (let i = aStart; i < aEnd; i++) if (a[i] !== b[i + ahead]) return false;
  return true;
}

const ARENA_CHUNK = 1 << 16;
/** So that a place has 32 bits. */
const MOST_CHUNKS = 1 << 16;

/** Texts one after the other, each behind its length (seven bits a byte, the last one below 0x80). Read by place. */
class Arena {
  /** A place is the number of a chunk and how far in; place 0 is never used. */
  private readonly chunks: Buffer[] = [Buffer.alloc(ARENA_CHUNK)];
  private used = 1;

  write(bytes: Uint8Array, start: number, end: number): number {
    const length = end - start;
    if (this.used + length + 5 > ARENA_CHUNK) {
      if (this.chunks.length === MOST_CHUNKS) throw new RangeError('the view is full: 4 GiB of keys');
      this.chunks.push(Buffer.alloc(Math.max(ARENA_CHUNK, length + 5)));
      this.used = 0;
    }
    const chunk = this.chunks[this.chunks.length - 1]!;
    const place = (this.chunks.length - 1) * ARENA_CHUNK + this.used;
    let at = this.used;
    let rest = length;
    for (; rest >= 0x80; rest >>>= 7) chunk[at++] = (rest & 0x7f) | 0x80;
    chunk[at++] = rest;
    for (let i = 0; i < length; i++) chunk[at + i] = bytes[start + i]!;
    this.used = Math.min(ARENA_CHUNK, at + length);
    return place;
  }

  holds(place: number, bytes: Uint8Array, start: number, end: number): boolean {
    const chunk = this.chunks[Math.floor(place / ARENA_CHUNK)]!;
    const length = lengthAt(chunk, place % ARENA_CHUNK);
    return isSame(chunk, textAt, textAt + length, bytes, start, end);
  }

  /** In place, where the old text is just as long. */
  rewrite(place: number, bytes: Uint8Array, length: number): boolean {
    if (place === NO_TEXT) return false;
    const chunk = this.chunks[Math.floor(place / ARENA_CHUNK)]!;
    if (lengthAt(chunk, place % ARENA_CHUNK) !== length) return false;
    for (let i = 0; i < length; i++) chunk[textAt + i] = bytes[i]!;
    return true;
  }

  read(place: number): string {
    const chunk = this.chunks[Math.floor(place / ARENA_CHUNK)]!;
    const length = lengthAt(chunk, place % ARENA_CHUNK);
    return decodeText(chunk, textAt, textAt + length);
  }
}

/** Where the text begins whose length was read last. */
let textAt = 0;

function lengthAt(chunk: Buffer, place: number): number {
  let length = 0;
  let at = place;
  for (let shift = 0; ; shift += 7) {
    const byte = chunk[at++]!;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  textAt = at;
  return length;
}
