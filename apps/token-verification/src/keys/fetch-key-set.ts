const TIMEOUT_MS = 3_000;
const MAX_BYTES = 1_048_576;

/** What stands at the key set's address. Throws where it cannot be had: late, moved, too large, not 200, not JSON. */
export async function fetchKeySet(url: string, allowLocalHosts: boolean): Promise<unknown> {
  if (!url.startsWith('https:') && !(allowLocalHosts && url.startsWith('http:'))) {
    throw new Error('a key set is fetched over https alone');
  }
  const answer = await fetch(url, {
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
    headers: { accept: 'application/jwk-set+json, application/json' },
  });
  if (answer.status !== 200 || !answer.body) {
    await answer.body?.cancel();
    throw new Error(`the key set's address answered ${answer.status}`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new Error('the key set is larger than 1 MiB');
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}
