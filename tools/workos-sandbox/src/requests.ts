import { z } from 'zod';
import { invalidParameters } from './api-error.js';

/** What came in, as the schema has it; otherwise 422 with each field at fault. */
export function checked<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  throw invalidParameters(
    parsed.error.issues.map((issue) => ({ field: issue.path.join('.'), code: issue.code, message: issue.message })),
  );
}

const page = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(10),
  order: z.enum(['asc', 'desc']).default('desc'),
  after: z.string().optional(),
  before: z.string().optional(),
});
export const pageOf = (query: unknown): z.infer<typeof page> => checked(page, query);

export const listAnswer = <T>({
  data,
  before,
  after,
}: {
  data: T[];
  before: string | null;
  after: string | null;
}): object => ({
  object: 'list',
  data,
  list_metadata: { before, after },
});
