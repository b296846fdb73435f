import { z } from 'zod';

export const REFUSAL_TYPE = 'io.rescind.refusal.v1';

/**
 * `data` of a record on `access.refusals`: a token that was good in itself was refused because access has ended. Told once for
 * each session and reason, and not always: it is for people to see, and decides nothing.
 */
export const refusalData = z.object({
  provider_id: z.string().min(1),
  user_id: z.string().min(1),
  organization_id: z.string().optional(),
  session_id: z.string().optional(),
  reason: z.string(),
  /** RFC 3339. */
  at: z.string(),
});
export type RefusalData = z.infer<typeof refusalData>;
