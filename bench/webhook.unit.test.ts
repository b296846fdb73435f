import { verifySignature } from '#workos/signature.js';
import { readWorkOSEnvelope } from '#contracts/workos-event.js';
import { signedWebhook } from './webhook.js';

const webhook = { url: 'http://127.0.0.1/webhooks/workos/token', secret: 's'.repeat(32) };
const secrets = [{ id: 'key_1', secret: webhook.secret }];

test('what the load sends is signed as WorkOS signs, each with an id of its own, so that none counts as a duplicate', () => {
  const sent = Array.from({ length: 100 }, (_, index) =>
    signedWebhook({ webhook }, 'session.revoked', { id: `session_${index}`, user_id: 'user_1' }),
  );
  const envelopes = sent.map(({ headers, body }) => {
    const bytes = Buffer.from(body);
    expect(verifySignature(bytes, headers['workos-signature'], secrets, new Date())).toEqual(secrets[0]);
    return readWorkOSEnvelope(bytes);
  });
  expect(new Set(envelopes.map(({ id }) => id)).size).toBe(100);
  expect(new Set(envelopes.map(({ key }) => key))).toEqual(new Set(['user_1']));
});
