import { guardedFetch } from '#workos/guarded-fetch.js';

const TIMEOUT_MS = 3_000;
const MAX_BYTES = 1_048_576;

/**
 * What stands at the key set's address. The address was pasted by a person, so it is asked with the same guard as in the
 * portal. Throws where it cannot be had: late, moved, too large, in our own network, not 200, not JSON.
 */
export async function fetchKeySet(url: string, allowLocalHosts: boolean): Promise<unknown> {
  const { status, body } = await guardedFetch(url, { allowLocalHosts, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES });
  if (status !== 200) throw new Error(`the key set's address answered ${status}`);
  return JSON.parse(body.toString('utf8'));
}
