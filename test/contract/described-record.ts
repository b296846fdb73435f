import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { type CloudEventV1, Kafka } from 'cloudevents';
import { kindOf } from '#contracts/record-kinds.js';
import { nameOf } from '../../tools/api/src/async-api.js';

const SCHEMAS = join(import.meta.dirname, '../../docs/events/schemas');
// `date-time` comes with a pattern, which says as much.
const ajv = new Ajv({ allErrors: true, validateFormats: false, strictTypes: false });
const validators = new Map<string, ReturnType<Ajv['compile']>>();

interface KafkaRecord {
  topic: string;
  key: Buffer | null;
  value: Buffer;
  headers: Record<string, unknown>;
}

/**
 * What is wrong with a record, by docs/events/schemas and by the official SDK of CloudEvents; empty where nothing is. Answers with
 * its type, too.
 */
export function problemsOf({ topic, key, value, headers }: KafkaRecord): { type: string; problems: string[] } {
  let event: CloudEventV1<unknown> & { validate(): boolean };
  try {
    const message = {
      key: String(key),
      value: value.toString(),
      headers: { 'content-type': String(headers['content-type']) },
      body: undefined,
    };
    event = Kafka.toEvent(message as never) as typeof event;
    event.validate();
  } catch (error) {
    return { type: 'none', problems: [`the SDK of CloudEvents: ${(error as Error).message}`] };
  }
  const kind = kindOf(event.type);
  if (kind?.topic !== topic) return { type: event.type, problems: [`is not described as a record of ${topic}`] };
  const validate = validators.get(nameOf(kind)) ?? ajv.compile(schemaOf(nameOf(kind)));
  validators.set(nameOf(kind), validate);
  if (validate(JSON.parse(value.toString()))) return { type: event.type, problems: [] };
  return { type: event.type, problems: (validate.errors ?? []).map((one) => `${one.instancePath} ${one.message}`) };
}

function schemaOf(name: string): object {
  return JSON.parse(readFileSync(join(SCHEMAS, `${name}.json`), 'utf8')) as object;
}
