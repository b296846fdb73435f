import { z } from 'zod';
import { isStorable } from '#contracts/storable.js';

const isPart = (part: unknown): part is string => typeof part === 'string' && isStorable(part);

/** An opaque place in a list: what was last on the page before. */
const cursor = z.string().transform((text, context): string[] => {
  try {
    const place: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    if (Array.isArray(place) && place.length > 0 && place.every(isPart)) return place;
  } catch {
    // told below
  }
  context.addIssue({ code: 'custom', message: 'must be a next_cursor that was answered before' });
  return z.NEVER;
});

/** A place in a list that is numbered. */
const numberCursor = cursor.refine(([seq]) => /^\d{1,18}$/.test(seq!), 'must be a next_cursor of this list');

export const limit = z.coerce.number().int().min(1).max(500).default(50);
export const pageQuery = { limit, cursor: cursor.optional() };
export const numberedPageQuery = { limit, cursor: numberCursor.optional() };

export interface Page<T> {
  data: T[];
  next_cursor: string | null;
}

const encodeCursor = (place: string[]): string => Buffer.from(JSON.stringify(place)).toString('base64url');

/** @param rows one more than fit, where there are more */
export function page<Row, T>(
  rows: readonly Row[],
  limit: number,
  placeOf: (row: Row) => string[],
  view: (row: Row) => T,
): Page<T> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    data: shown.map(view),
    next_cursor: rows.length > limit && last !== undefined ? encodeCursor(placeOf(last)) : null,
  };
}

export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ data: z.array(item), next_cursor: z.string().nullable() });
export { encodeCursor };
