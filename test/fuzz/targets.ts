import type { FuzzTarget } from '#testing/fuzz.js';
import { discoveryTargets } from './discovery.js';
import { recordTargets } from './records.js';
import { setTargets } from './sets.js';
import { tokenTargets } from './tokens.js';
import { webhookTargets } from './webhooks.js';

/** Every parser of something that came from outside. */
export const FUZZ_TARGETS: readonly FuzzTarget[] = [
  ...webhookTargets,
  ...recordTargets,
  ...tokenTargets,
  ...discoveryTargets,
  ...setTargets,
];
