import { randomFillSync } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const COUNTER_SIZE = 32 ** 4;
const pool = Buffer.alloc(12_288);
let poolAt = pool.length;
let lastMs = 0;
let counter = 0;

/** A new id such as `user_01M85MSAT4…`: a ULID whose order is the order of creation within this process. */
export function newId(prefix: string): string {
  return `${prefix}_${newUlid()}`;
}

/** 26 characters: 10 of time, 4 of counter within the millisecond, 12 at random. */
export function newUlid(): string {
  const now = Date.now(); // not the movable clock: ids keep their order whatever time it is said to be
  if (now > lastMs) {
    lastMs = now;
    counter = 0;
  } else if (++counter === COUNTER_SIZE) {
    lastMs += 1;
    counter = 0;
  }
  return base32(lastMs, 10) + base32(counter, 4) + randomText(12);
}

function base32(value: number, length: number): string {
  let text = '';
  for (let rest = value; text.length < length; rest = Math.floor(rest / 32)) text = ALPHABET[rest % 32] + text;
  return text;
}

/** Unguessable text of [0-9A-HJKMNP-TV-Z], five bits a character. */
export function randomText(length: number): string {
  if (poolAt + length > pool.length) {
    randomFillSync(pool);
    poolAt = 0;
  }
  let text = '';
  for (const end = poolAt + length; poolAt < end; poolAt += 1) text += ALPHABET[pool[poolAt]! & 31];
  return text;
}
