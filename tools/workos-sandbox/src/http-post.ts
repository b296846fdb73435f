import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

export interface PostResult {
  /** null where there was no answer. */
  status: number | null;
  error: string | null;
  durationMs: number;
}

/** Posts over kept connections. The request is on its way when `post` returns its promise. */
export class HttpPoster {
  readonly #http = new HttpAgent({ keepAlive: true });
  readonly #https = new HttpsAgent({ keepAlive: true });

  async post(url: URL, headers: Record<string, string>, body: Buffer, timeoutMs: number): Promise<PostResult> {
    const started = performance.now();
    const outcome = await this.#once(url, headers, body, timeoutMs, true);
    return { ...outcome, durationMs: performance.now() - started };
  }

  #once(
    url: URL,
    headers: Record<string, string>,
    body: Buffer,
    timeoutMs: number,
    mayRepeat: boolean,
  ): Promise<{ status: number | null; error: string | null }> {
    return new Promise((resolve) => {
      const secure = url.protocol === 'https:';
      const request = (secure ? httpsRequest : httpRequest)(url, {
        method: 'POST',
        agent: secure ? this.#https : this.#http,
        headers: { ...headers, 'content-length': body.length },
      });
      const timer = setTimeout(() => request.destroy(new Error('timeout')), timeoutMs);
      request.on('response', (response) => {
        response.resume();
        response.on('close', () => {
          clearTimeout(timer);
          if (response.complete) resolve({ status: response.statusCode ?? null, error: null });
          else resolve({ status: null, error: 'answer_incomplete' });
        });
      });
      request.on('error', (error: NodeJS.ErrnoException) => {
        clearTimeout(timer);
        // A kept connection that the other side has closed meanwhile says nothing about the other side.
        if (mayRepeat && request.reusedSocket && error.code === 'ECONNRESET') {
          resolve(this.#once(url, headers, body, timeoutMs, false));
        } else resolve({ status: null, error: error.code ?? error.message });
      });
      request.end(body);
    });
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }
}
