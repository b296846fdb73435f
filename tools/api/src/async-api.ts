import { z } from 'zod';
import { CLOUD_EVENT_CONTENT_TYPE, cloudEvent } from '#contracts/cloud-event.js';
import { OTHER_WORKOS_EVENTS, RECORD_KINDS, type RecordKind } from '#contracts/record-kinds.js';
import { TOPIC_SPECS, type TopicSpec, TOPICS } from '#contracts/topics.js';

/** Whose records others may rely on; the rest is between the services of one installation, and may change with a release. */
const FOR_OTHERS: readonly string[] = [TOPICS.revocations, TOPICS.revocationState];
const BINDING = '0.5.0';

/** A name that a file and a component of AsyncAPI can have. */
export const nameOf = (kind: RecordKind): string => (kind === OTHER_WORKOS_EVENTS ? 'com.workos.other' : kind.type);

/** The whole value of a record: a CloudEvent in structured JSON mode. JSON Schema draft 7, which AsyncAPI goes by. */
export function recordSchema(kind: RecordKind): object {
  const type = kind === OTHER_WORKOS_EVENTS ? z.string().regex(/^com\.workos\../) : z.literal(kind.type);
  const ofWorkOS = kind.topic === TOPICS.workosEvents ? { providerid: z.string().min(1) } : {};
  const schema = cloudEvent.extend({ type, ...ofWorkOS, data: kind.data });
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input', target: 'draft-7', unrepresentable: 'any' });
  return { $schema, title: nameOf(kind), description: kind.summary, ...rest };
}

/** AsyncAPI 3.0 of all topics. @param schemaPath from the document to the schema of a kind */
export function asyncApi(schemaPath: (kind: RecordKind) => string): object {
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Rescind',
      version: '1.0.0',
      description:
        'The topics of an installation. Values are CloudEvents 1.0 in structured JSON mode. Every record may come more than once, and ' +
        'in another order than it happened in; states merge by maximum, so neither matters. docs/events.md says how to follow.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/cloudevents+json',
    servers: {
      kafka: {
        host: '{broker}',
        protocol: 'kafka',
        description: 'KAFKA_BROKERS of the installation.',
        variables: { broker: { default: 'localhost:9092' } },
      },
    },
    channels: Object.fromEntries(TOPIC_SPECS.map((spec) => [spec.topic, channelOf(spec)])),
    operations: Object.fromEntries(TOPIC_SPECS.map(({ topic }) => [`publish.${topic}`, operationOf(topic)])),
    components: {
      messages: {
        ...Object.fromEntries(RECORD_KINDS.map((kind) => [nameOf(kind), messageOf(kind, schemaPath(kind))])),
        'set-aside': SET_ASIDE,
      },
    },
  };
}

const kindsOf = (topic: string): string[] =>
  topic === TOPICS.workosEventsDlq ? ['set-aside'] : RECORD_KINDS.filter((kind) => kind.topic === topic).map(nameOf);

function channelOf({ topic, compacted, retentionMs, partitions }: TopicSpec): object {
  return {
    address: `{prefix}${topic}`,
    parameters: { prefix: { default: '', description: 'KAFKA_TOPIC_PREFIX of the installation.' } },
    tags: [{ name: FOR_OTHERS.includes(topic) ? 'for everybody' : 'between the services' }],
    messages: Object.fromEntries(kindsOf(topic).map((name) => [name, { $ref: `#/components/messages/${name}` }])),
    bindings: {
      kafka: {
        topic,
        ...(partitions === undefined ? {} : { partitions }),
        topicConfiguration: {
          'cleanup.policy': [compacted ? 'compact' : 'delete'],
          ...(compacted ? {} : { 'retention.ms': retentionMs }),
        },
        bindingVersion: BINDING,
      },
    },
  };
}

const operationOf = (topic: string): object => ({
  action: 'send',
  channel: { $ref: `#/channels/${topic}` },
  messages: kindsOf(topic).map((name) => ({ $ref: `#/channels/${topic}/messages/${name}` })),
});

function messageOf(kind: RecordKind, path: string): object {
  return {
    name: kind.type,
    summary: kind.summary,
    contentType: 'application/cloudevents+json',
    headers: {
      type: 'object',
      required: ['content-type'],
      properties: { 'content-type': { const: CLOUD_EVENT_CONTENT_TYPE } },
    },
    payload: { $ref: path },
    bindings: { kafka: { key: { type: 'string', description: kind.key }, bindingVersion: BINDING } },
  };
}

/** What nobody could read. */
const SET_ASIDE = {
  name: 'set-aside',
  summary:
    'A record of workos.events that no retry can make acceptable: its own bytes, key and headers, and the reason.',
  contentType: 'application/octet-stream',
  headers: {
    type: 'object',
    required: ['rescind-reason', 'rescind-topic', 'rescind-partition', 'rescind-offset'],
    properties: Object.fromEntries(
      ['rescind-reason', 'rescind-detail', 'rescind-topic', 'rescind-partition', 'rescind-offset'].map((name) => [
        name,
        { type: 'string' },
      ]),
    ),
  },
  payload: { description: 'Whatever it was.' },
};
