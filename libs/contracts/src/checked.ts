import { z } from 'zod';

/**
 * Whether a value from outside is what the schema says; what every entrance uses in place of `safeParse`. zod looks at the
 * length of a text also where it is none: `{ "length": { "toString": 1 } }`, which JSON can hold, then throws a TypeError. For
 * an entrance that is a value that does not fit, like any other.
 */
export function checked<T>(schema: z.ZodType<T>, value: unknown): z.ZodSafeParseResult<T> {
  try {
    return schema.safeParse(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const issue = { code: 'custom' as const, path: [], message: 'cannot be read', input: undefined };
    return { success: false, error: new z.ZodError([issue]) as z.ZodError<T> };
  }
}
