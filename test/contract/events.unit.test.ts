import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { encodeCloudEvent } from '#contracts/cloud-event.js';
import { RECORD_KINDS } from '#contracts/record-kinds.js';
import { HEARTBEAT_TYPE, REVOCATION_TYPE } from '#contracts/revocation.js';
import { TOPIC_SPECS, TOPICS } from '#contracts/topics.js';
import { problemsOf } from './described-record.js';

const DOCUMENT = join(import.meta.dirname, '../../docs/events/asyncapi.yaml');
interface AsyncApi {
  channels: Record<string, { messages: object }>;
  components: { messages: Record<string, { payload: { $ref?: string } }> };
}

test('the description of the topics is AsyncAPI 3.0, by its own schema, and names every topic and every kind of record', async () => {
  const document = parse(await readFile(DOCUMENT, 'utf8')) as AsyncApi;
  const specification = createRequire(import.meta.url)('@asyncapi/specs/schemas/3.0.0-without-$id.json') as object;
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  expect({ valid: ajv.validate(specification, document), errors: ajv.errors }).toEqual({ valid: true, errors: null });
  expect(Object.keys(document.channels)).toEqual(TOPIC_SPECS.map(({ topic }) => topic));
  const described = Object.values(document.channels).flatMap(({ messages }) => Object.keys(messages));
  expect(described.sort()).toEqual(Object.keys(document.components.messages).sort());
  expect(described).toHaveLength(RECORD_KINDS.length + 1); // and what is set aside
  for (const { payload } of Object.values(document.components.messages)) {
    if (payload.$ref !== undefined) await readFile(join(DOCUMENT, '..', payload.$ref));
  }
});

describe('what checks real records finds what is wrong with them', () => {
  const data = {
    scope: 'idp_1/user:user_1',
    provider_id: 'idp_1',
    closed_at: 'infinity',
    opened_at: null,
    tokens_before: '2026-11-28T09:00:00.000Z',
    reason: 'user_deprovisioned',
    source_event_id: null,
    occurred_at: null,
  };
  const said = { id: 'r1', source: '/grants', type: REVOCATION_TYPE, time: '2026-11-28T09:00:00.000Z', data };
  const recordOf = (over: object = {}, headers?: Record<string, string>, topic: string = TOPICS.revocations) => {
    const encoded = encodeCloudEvent({ ...said, ...over });
    return { topic, key: Buffer.from('k'), value: encoded.value, headers: headers ?? encoded.headers };
  };

  test('a good one', () => {
    expect(problemsOf(recordOf())).toEqual({ type: REVOCATION_TYPE, problems: [] });
  });

  test.each([
    ['no content type', recordOf({}, {})],
    ['another content type', recordOf({}, { 'content-type': 'application/json' })],
    ['an attribute that CloudEvents forbids', recordOf({ 'not-allowed': 1 })],
    ['no id', recordOf({ id: '' })],
    ['no source', recordOf({ source: undefined })],
    ['a type that nobody has described', recordOf({ type: 'io.rescind.other.v1' })],
    ['another topic than its own', recordOf({}, undefined, TOPICS.refusals)],
    ['a moment that is none', recordOf({ data: { ...data, closed_at: 'soon' } })],
    ['a moment in another form', recordOf({ data: { ...data, closed_at: '2026-11-28T09:00:00Z' } })],
    ['no scope', recordOf({ data: { ...data, scope: undefined } })],
    [
      'a heartbeat without its moment',
      recordOf({ type: HEARTBEAT_TYPE, data: { partitions: 1, applied: {} } }, undefined, TOPICS.revocationState),
    ],
  ])('%s', (_, record) => {
    expect(problemsOf(record).problems).not.toEqual([]);
  });
});
