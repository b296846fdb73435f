import { z } from 'zod';
import { Problem } from '#platform/problem.js';
import { ask, type Upstream } from '../console/proxy.js';

const verdict = z.union([
  z.object({
    active: z.literal(true),
    provider_id: z.string(),
    user_id: z.string(),
    organization_id: z.string().optional(),
    session_id: z.string().optional(),
    claims: z.record(z.string(), z.unknown()),
  }),
  z.object({ active: z.literal(false), reason: z.string() }),
]);
export type TokenVerdict = z.infer<typeof verdict>;
export type ActiveToken = Extract<TokenVerdict, { active: true }>;

/** Asks token-verification, which judges by the one rule. Throws 503 `access_unknown` where it cannot be known. */
export async function verifyToken(verifier: Upstream, token: string): Promise<TokenVerdict> {
  const request = { method: 'POST', target: '/v1/tokens/verify', body: { token }, actor: 'portal' };
  const answer = await ask(verifier, request).catch(() => undefined);
  if (answer?.status === 200) {
    const parsed = verdict.safeParse(JSON.parse(answer.body.toString('utf8')));
    if (parsed.success) return parsed.data;
  }
  throw accessUnknown();
}

export const accessUnknown = (): Problem =>
  new Problem(503, 'access_unknown', 'Whether this person still has access cannot be told now; try again.', {
    headers: { 'retry-after': '1' },
  });
