import { isIP } from 'node:net';
import { z } from 'zod';
import { kindOf } from '#workos/guarded-fetch.js';

/**
 * Where something may be posted to. Names are resolved and looked at with each delivery (`guardedFetch`); what can be told by
 * looking is told here, to whoever can mend it.
 */
export function deliveryUrl(allowLocalHosts: boolean): z.ZodType<string> {
  return z
    .string()
    .max(2_000)
    .superRefine((text, context) => {
      const problem = problemOf(text, allowLocalHosts);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    });
}

function problemOf(text: string, allowLocalHosts: boolean): string | undefined {
  const url = URL.parse(text);
  if (!url) return 'must be a URL';
  if (url.protocol !== 'https:' && !(allowLocalHosts && url.protocol === 'http:')) return 'must be https';
  if (url.username !== '' || url.password !== '') return 'must hold no user';
  if (url.hash !== '') return 'must have no fragment';
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const kind = isIP(host) > 0 ? kindOf(host) : host === 'localhost' ? 'local' : 'public';
  if (kind === 'special' || (kind === 'local' && !allowLocalHosts)) return 'must not be a private address';
  return undefined;
}
