import { createHmac, randomBytes } from 'node:crypto';
import type { StackFile } from '#testing/stack-file.js';

export interface SignedWebhook {
  headers: Record<string, string>;
  body: string;
}

/** A delivery of WorkOS's, as of now, signed with the secret of the stack's endpoint. */
export function signedWebhook(stack: Pick<StackFile, 'webhook'>, event: string, data: object): SignedWebhook {
  const t = Date.now();
  const id = `event_bench_${randomBytes(10).toString('hex')}`;
  const body = JSON.stringify({ id, object: 'event', event, data, created_at: new Date(t).toISOString() });
  const digest = createHmac('sha256', stack.webhook.secret).update(`${t}.${body}`).digest('hex');
  return { headers: { 'content-type': 'application/json', 'workos-signature': `t=${t}, v1=${digest}` }, body };
}
