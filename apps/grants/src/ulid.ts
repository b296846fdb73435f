import { randomBytes } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** 26 characters that sort by time: 48 bits of milliseconds, 80 random ones (https://github.com/ulid/spec). */
export function ulid(now: number, random: Buffer = randomBytes(10)): string {
  let number = (BigInt(Math.trunc(now)) << 80n) | BigInt(`0x${random.toString('hex')}`);
  let text = '';
  for (let place = 0; place < 26; place++) {
    text = ALPHABET[Number(number & 31n)] + text;
    number >>= 5n;
  }
  return text;
}
