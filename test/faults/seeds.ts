/** Seeds that once found something; each run plays them first. */
export const REGRESSIONS: readonly number[] = [];
