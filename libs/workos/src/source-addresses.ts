/**
 * Where WorkOS's webhooks come from, by its documentation of webhooks ("Securing your webhook endpoint": a fixed set). It is
 * one more hurdle beside the signature and never in its place, and off unless it is asked for: the set may change.
 */
export const WORKOS_SOURCE_ADDRESSES = [
  '3.217.146.166',
  '23.21.184.92',
  '34.204.154.149',
  '44.213.245.178',
  '44.215.236.82',
  '50.16.203.9',
  '52.1.251.34',
  '52.21.49.187',
  '174.129.36.47',
] as const;
