import { CreateGrants1767225600000 } from './1767225600000-create-grants.js';

/** In the order in which they run. */
export const MIGRATIONS = [CreateGrants1767225600000];
