import type { PipeTransform } from '@nestjs/common';
import type { z } from 'zod';
import { checked } from '#contracts/checked.js';
import { Problem } from './problem.js';

/** `@Body(valid(schema))`: what enters is what the schema says, or a 400 `request_invalid` that names every field. */
export function valid<T>(schema: z.ZodType<T>): PipeTransform<unknown, T> {
  return {
    transform(value: unknown): T {
      const parsed = checked(schema, value ?? {});
      if (parsed.success) return parsed.data;
      throw new Problem(400, 'request_invalid', 'Some fields are missing or not as they should be; see errors.', {
        extra: {
          errors: parsed.error.issues.map((issue) => ({ field: issue.path.join('.'), message: issue.message })),
        },
      });
    },
  };
}
