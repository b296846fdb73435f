import { randomBytes } from 'node:crypto';

/** 128 random bits, in characters that need no escaping in a URL (RFC 3986, section 2.3). */
export const newId = (kind: 'receiver' | 'source' | 'stream'): string => `${kind}_${randomBytes(16).toString('hex')}`;
