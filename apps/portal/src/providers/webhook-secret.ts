import { randomBytes } from 'node:crypto';
import { Problem } from '#platform/problem.js';

const BYTES = 32;
const SHORTEST = 16;
const LONGEST = 512;

export const newId = (prefix: string): string => `${prefix}_${randomBytes(12).toString('hex')}`;
/** The unguessable last part of an endpoint's URL. */
export const newEndpointToken = (): string => randomBytes(BYTES).toString('base64url');
/** In the form of WorkOS's own. */
export const newSigningSecret = (): string => `whsec_${randomBytes(BYTES).toString('base64url')}`;

/**
 * The signing secret out of what was pasted, without the blanks around it. WorkOS promises no form of it, so only what is
 * obviously something else is refused, each with a sentence of its own: 400 `secret_…`. Nothing pasted is ever repeated.
 */
export function readPastedSecret(pasted: string): string {
  const secret = pasted.trim();
  const refuse = (code: string, sentence: string): never => {
    throw new Problem(400, code, sentence);
  };
  if (secret === '') {
    refuse(
      'secret_blank',
      'Nothing was pasted: copy the signing secret from the endpoint’s page in the WorkOS dashboard.',
    );
  }
  if (/^sk_/.test(secret)) {
    refuse(
      'secret_is_api_key',
      'This is a WorkOS API key. The signing secret is on the webhook endpoint’s own page in the dashboard.',
    );
  }
  if (/^client_[A-Za-z0-9]+$/.test(secret)) {
    refuse(
      'secret_is_client_id',
      'This is the client ID. The signing secret is on the webhook endpoint’s own page in the dashboard.',
    );
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(secret)) {
    refuse(
      'secret_is_url',
      'This is a URL. It belongs into WorkOS as the endpoint’s URL; what is to be pasted here is its signing secret.',
    );
  }
  if (/^eyJ[\w-]+\./.test(secret)) {
    refuse(
      'secret_is_token',
      'This is a token. The signing secret is on the webhook endpoint’s page in the dashboard.',
    );
  }
  if (/^(we|event|evt|user|org|session)_[A-Za-z0-9]+$/.test(secret)) {
    refuse('secret_is_id', 'This is an id. The signing secret is shown beside it, on the webhook endpoint’s page.');
  }
  if (/^t=\d+/.test(secret)) {
    refuse('secret_is_signature', 'This is a signature of one delivery. The signing secret is on the endpoint’s page.');
  }
  if (/[•*…]{3}/.test(secret)) {
    refuse('secret_is_masked', 'This is the hidden form of the secret: reveal it in the dashboard, then copy it.');
  }
  if (/\s/.test(secret)) refuse('secret_malformed', 'A signing secret is one word: copy it alone.');
  if (secret.length < SHORTEST) refuse('secret_too_short', `This is shorter than any signing secret: copy all of it.`);
  if (secret.length > LONGEST) refuse('secret_too_long', 'This is longer than any signing secret: copy it alone.');
  return secret;
}
