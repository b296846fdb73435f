import { clientCredentials } from '../src/domain/client-credentials.js';

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
const gateway = { id: 'gateway', secret: 's3cret' };

test.each([
  ['client_secret_basic', basic('gateway:s3cret'), {}, gateway],
  ['the scheme in small letters', basic('gateway:s3cret').replace('Basic', 'basic'), {}, gateway],
  ['form-encoded parts', basic('a%3Ab:s%2Fx+y%2B%C3%A9'), {}, { id: 'a:b', secret: 's/x y+é' }],
  ['a space as form-encoding has it', basic('gateway:a+b'), {}, { id: 'gateway', secret: 'a b' }],
  ['a secret with colons', basic('gateway:a:b'), {}, { id: 'gateway', secret: 'a:b' }],
  ['the same client_id in the body', basic('gateway:s3cret'), { client_id: 'gateway' }, gateway],
  ['client_secret_post', undefined, { client_id: 'gateway', client_secret: 's3cret' }, gateway],
  ['nothing', undefined, {}, 'none'],
  ['a client_id alone', undefined, { client_id: 'gateway' }, 'none'],
  ['a client_secret alone', undefined, { client_secret: 's3cret' }, 'none'],
  ['empty texts', undefined, { client_id: '', client_secret: '' }, 'none'],
  ['no colon', basic('gateway'), {}, 'none'],
  ['no secret', basic('gateway:'), {}, 'none'],
  ['no name', basic(':s3cret'), {}, 'none'],
  ['broken form-encoding', basic('gateway:%zz'), {}, 'none'],
  ['bytes that are no UTF-8', `Basic ${Buffer.from([0xff, 0x3a, 0x61]).toString('base64')}`, {}, 'none'],
  ['no base64', 'Basic gateway:s3cret', {}, 'none'],
  ['another scheme', 'Bearer abc', {}, 'none'],
  ['an empty header', '', {}, 'none'],
  ['both', basic('gateway:s3cret'), { client_id: 'gateway', client_secret: 's3cret' }, 'ambiguous'],
  ['both, of which one is broken', 'Basic %%%', { client_id: 'gateway', client_secret: 's3cret' }, 'ambiguous'],
  ['a token and a secret', 'Bearer abc', { client_id: 'gateway', client_secret: 's3cret' }, 'ambiguous'],
  ['another client_id in the body', basic('gateway:s3cret'), { client_id: 'other' }, 'ambiguous'],
  ['a client_id twice', undefined, { client_id: ['gateway', 'other'], client_secret: 's3cret' }, 'ambiguous'],
  ['a client_secret twice', undefined, { client_id: 'gateway', client_secret: ['a', 's3cret'] }, 'ambiguous'],
])('%s', (_, authorization, body, expected) => expect(clientCredentials(authorization, body)).toEqual(expected));
