import { z } from 'zod';
import { apiKeyData, apiKeyUseData } from '#contracts/api-key.js';
import { identityProviderData } from '#contracts/identity-provider.js';
import { keySetData } from '#contracts/key-set.js';
import { refusalData } from '#contracts/refusal.js';
import { heartbeatData, revocationData, scopeStateData } from '#contracts/revocation.js';
import { signInData } from '#contracts/sign-in.js';
import { webhookActivityData } from '#contracts/webhook-activity.js';
import { DATA_SCHEMAS } from '#contracts/workos-event.js';

/** A JSON Schema, as far as ours go. */
export interface JsonSchema {
  type?: string;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  additionalProperties?: boolean | JsonSchema;
  [rule: string]: unknown;
}
export interface RecordSchema {
  /** `rescind`: written by the release that reads it, and by its neighbours. `workos`: written by WorkOS, and only read here. */
  writer: 'rescind' | 'workos';
  schema: JsonSchema;
}
export type RecordSchemas = Record<string, RecordSchema>;

/** The `data` of everything that stands on a topic. */
export const RECORDS: Record<string, { writer: RecordSchema['writer']; data: z.ZodType }> = {
  revocation: { writer: 'rescind', data: revocationData },
  'revocation-state': { writer: 'rescind', data: scopeStateData },
  heartbeat: { writer: 'rescind', data: heartbeatData },
  refusal: { writer: 'rescind', data: refusalData },
  'identity-provider': { writer: 'rescind', data: identityProviderData },
  'api-key': { writer: 'rescind', data: apiKeyData },
  'api-key-use': { writer: 'rescind', data: apiKeyUseData },
  'key-set': { writer: 'rescind', data: keySetData },
  'sign-in': { writer: 'rescind', data: signInData },
  'webhook-activity': { writer: 'rescind', data: webhookActivityData },
  ...Object.fromEntries(
    Object.entries(DATA_SCHEMAS).map(([type, data]) => [type, { writer: 'workos' as const, data }]),
  ),
};

/** What a reader takes. Rules that JSON Schema cannot say (refinements) are not in it. */
export const schemasOf = (records: typeof RECORDS): RecordSchemas =>
  Object.fromEntries(
    Object.entries(records).map(([name, { writer, data }]) => {
      const { $schema: _, ...schema } = z.toJSONSchema(data, { io: 'input', unrepresentable: 'any' });
      return [name, { writer, schema: schema as JsonSchema }];
    }),
  );

/**
 * What a record written by one release and read by the other could stumble over, during a rollout, after a rollback, and when old
 * records are read again years later. A record may gain fields that may be left out; anything else is a new type (`….v2`) beside the old.
 */
export function brokenRecords(released: RecordSchemas, now: RecordSchemas): string[] {
  return Object.entries(released).flatMap(([name, { writer, schema }]) => {
    const found = now[name];
    return found ? brokenIn(schema, found.schema, name, writer === 'rescind') : [`${name} is read no more`];
  });
}

/** @param ours whether the old reader meets what is written now */
function brokenIn(old: JsonSchema, now: JsonSchema, at: string, ours: boolean): string[] {
  if (old.anyOf && now.anyOf && old.anyOf.length === now.anyOf.length) {
    return old.anyOf.flatMap((one, index) => brokenIn(one, now.anyOf![index]!, at, ours));
  }
  if (old.type !== 'object' || now.type !== 'object') {
    if (old.type === 'array' && now.type === 'array' && old.items && now.items) {
      return brokenIn(old.items, now.items, `${at}[]`, ours);
    }
    return rulesOf(old) === rulesOf(now) ? [] : [`${at} was ${rulesOf(old)}, and is ${rulesOf(now)}`];
  }
  const [was, is] = [new Set(old.required), new Set(now.required)];
  const problems: string[] = [];
  for (const name of is)
    if (!was.has(name)) problems.push(`${at}.${name} is required now, and old records may lack it`);
  for (const name of was) {
    if (ours && !is.has(name)) problems.push(`${at}.${name} may be left out now, and the release before requires it`);
  }
  for (const [name, schema] of Object.entries(old.properties ?? {})) {
    const found = now.properties?.[name];
    if (found) problems.push(...brokenIn(schema, found, `${at}.${name}`, ours));
    else if (now.additionalProperties === false) problems.push(`${at}.${name} is refused now`);
  }
  for (const name of Object.keys(now.properties ?? {})) {
    if (ours && !old.properties?.[name] && old.additionalProperties === false) {
      problems.push(`${at}.${name} is new, and the release before refuses it`);
    }
  }
  return problems;
}

/** All that is asked of a value; a default and a description ask nothing. */
const rulesOf = ({ default: _default, description: _description, ...rules }: JsonSchema): string =>
  JSON.stringify(Object.fromEntries(Object.entries(rules).sort(([a], [b]) => (a < b ? -1 : 1))));
