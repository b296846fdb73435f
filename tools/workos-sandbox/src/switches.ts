/** `error`: 503. `hang`: no answer. `reset`: the connection is cut. */
export type Outage = 'none' | 'error' | 'hang' | 'reset';

export interface RateLimit {
  /** Which requests, by the beginning of their path. */
  path: string;
  /** How many more are refused; null: all. */
  remaining: number | null;
  retry_after_seconds: number;
}

/** What is turned on and off from outside while the sandbox runs. */
export interface Switches {
  outages: { api: Outage; jwks: Outage; discovery: Outage };
  rateLimit: RateLimit | null;
  /** No event tells of what is changed. */
  silent: boolean;
}

export const allWell = (): Switches => ({
  outages: { api: 'none', jwks: 'none', discovery: 'none' },
  rateLimit: null,
  silent: false,
});
