export type Json = Record<string, unknown>;
/** Throws where the answer is not a success. */
export type Api = (method: string, path: string, body?: object) => Promise<Json>;

/** A JSON API at `base` that is called with a key. */
export function apiOf(base: string, key: string): Api {
  return async (method, path, body) => {
    const answer = await fetch(base + path, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${base}${path} answered ${answer.status}: ${text}`);
    return text === '' ? {} : (JSON.parse(text) as Json);
  };
}
