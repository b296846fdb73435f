import { z } from 'zod';

export const SIGN_IN_TYPE = 'io.rescind.sign-in.v1';

/** `data` of a record on `identity.sign-ins`: somebody signed in, or was first seen with a valid token. */
export const signInData = z.object({
  provider_id: z.string().min(1),
  user_id: z.string().min(1),
  organization_id: z.string().optional(),
  session_id: z.string().optional(),
  email: z.string().optional(),
  /** The names of the claims that their token has (`org_id`, `o.id`), never what they say. */
  claims: z.array(z.string()).optional(),
  /** RFC 3339. */
  at: z.string(),
  seen_by: z.enum(['portal', 'token-verification']),
});
export type SignInData = z.infer<typeof signInData>;
