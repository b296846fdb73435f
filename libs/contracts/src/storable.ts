/** Whether it can be stored as it is: PostgreSQL holds no NUL in a text, and UTF-8 no half of a character. */
export const isStorable = (text: string): boolean => !text.includes('\0') && text.isWellFormed();

/** What can be stored of a text that is there for people to look at. */
export const madeStorable = (text: string): string => text.replaceAll('\0', '').toWellFormed();

/** In characters; no id of WorkOS is as long. */
export const MAX_ID_LENGTH = 255;

/** Whether it is an id that can be stored: what no event can name could never be closed. */
export const isStorableId = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= MAX_ID_LENGTH && isStorable(value);
