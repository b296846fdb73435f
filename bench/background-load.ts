import type { StackFile } from '#testing/stack-file.js';
import { httpRequest, load } from './load.js';
import { signedWebhook } from './webhook.js';

/** What `background-load.js` is told, and what it answers when the time is up. */
export interface LoadOrder {
  stack: StackFile;
  tokens: string[];
  webhooksPerSecond: number;
  verifiesPerSecond: number;
  durationMs: number;
}
export interface LoadReport {
  webhooksPerSecond: number;
  verifiesPerSecond: number;
}

// Webhooks beside verifies at steady rates, in a process of its own, so that whoever measures meanwhile has its event loop for
// itself. Each webhook ends a session of somebody: grants and token-verification take all of them in.
process.once('message', async (order: LoadOrder) => {
  const { stack, tokens, durationMs } = order;
  const verifyUrl = `${stack.tokenVerification}/v1/tokens/verify`;
  const headers = { authorization: `Bearer ${stack.adminApiKey}`, 'content-type': 'application/json' };
  const verifies = tokens.map((token) => httpRequest('POST', verifyUrl, headers, JSON.stringify({ token })));
  const [webhooks, verified] = await Promise.all([
    load(stack.webhook.url, (index) => sessionRevoked(stack, index), {
      connections: 32,
      ratePerSecond: order.webhooksPerSecond,
      durationMs,
    }),
    load(verifyUrl, (index) => verifies[index % verifies.length]!, {
      connections: 32,
      ratePerSecond: order.verifiesPerSecond,
      durationMs,
      expected: '"active":true',
    }),
  ]);
  if (webhooks.odd > 0) throw new Error(`webhooks were answered with ${JSON.stringify(webhooks.statuses)}`);
  if (verified.odd > 0) throw new Error(`verifies were answered with ${JSON.stringify(verified.statuses)}`);
  process.send!({ webhooksPerSecond: webhooks.rate, verifiesPerSecond: verified.rate } satisfies LoadReport);
  process.disconnect();
});

function sessionRevoked(stack: StackFile, index: number): Buffer {
  const { headers, body } = signedWebhook(stack, 'session.revoked', {
    object: 'session',
    id: `session_bench_${process.pid}_${index}`,
    user_id: `user_bench_${index % 1_000}`,
    status: 'revoked',
  });
  return httpRequest('POST', stack.webhook.url, headers, body);
}
