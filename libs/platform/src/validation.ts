import type { PipeTransform } from '@nestjs/common';
import type { z } from 'zod';
import { checked } from '#contracts/checked.js';
import { isStorable } from '#contracts/storable.js';
import { Problem } from './problem.js';

/**
 * `@Body(valid(schema))`: what enters is what the schema says and can be stored as it is, or a 400 `request_invalid` that names
 * every field.
 */
export function valid<T>(schema: z.ZodType<T>): PipeTransform<unknown, T> {
  return {
    transform(value: unknown): T {
      const field = unstorableIn(value, []);
      if (field !== undefined) throw invalid([{ field, message: 'must hold no NUL and no half of a character' }]);
      const parsed = checked(schema, value ?? {});
      if (parsed.success) return parsed.data;
      throw invalid(parsed.error.issues.map(({ path, message }) => ({ field: path.join('.'), message })));
    },
  };
}

const invalid = (errors: { field: string; message: string }[]): Problem =>
  new Problem(400, 'request_invalid', 'Some fields are missing or not as they should be; see errors.', {
    extra: { errors },
  });

/** Where a text stands that cannot be stored. */
function unstorableIn(value: unknown, path: readonly string[]): string | undefined {
  if (typeof value === 'string') return isStorable(value) ? undefined : path.join('.');
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, inner] of Object.entries(value)) {
    const found = unstorableIn(inner, [...path, name]);
    if (found !== undefined) return found;
  }
  return undefined;
}
