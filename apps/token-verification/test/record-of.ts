import { randomBytes } from 'node:crypto';

/** A record as the portal or the relay writes it. */
export const recordOf = (type: string, data: object): Buffer =>
  Buffer.from(
    JSON.stringify({
      specversion: '1.0',
      id: randomBytes(8).toString('hex'),
      source: '/grants',
      type,
      datacontenttype: 'application/json',
      data,
    }),
  );
