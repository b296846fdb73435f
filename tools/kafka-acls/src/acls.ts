import { parse } from 'yaml';
import { z } from 'zod';
import { TOPICS } from '#contracts/topics.js';

const file = z.record(
  z.string(),
  z.strictObject({
    topics: z.partialRecord(z.enum(TOPICS), z.array(z.enum(['Read', 'Write']))),
    groups: z.array(z.string()),
    transactions: z.array(z.string()).default([]),
  }),
);

/** One right: somebody may do something with what is called, or begins, so. */
export interface Acl {
  principal: string;
  resource: 'topic' | 'group' | 'transactional-id';
  name: string;
  prefixed: boolean;
  operation: 'Read' | 'Write' | 'Describe' | 'DescribeConfigs';
}

export interface AclOptions {
  /** As in KAFKA_TOPIC_PREFIX. */
  topicPrefix?: string;
  /** The name under which a service authenticates, without `User:`; the service's own where undefined. */
  userOf?: (service: string) => string;
}

/** Every right of `deploy/kafka/acls.yaml`. Throws where the file names a topic that there is not. */
export function aclsOf(yaml: string, { topicPrefix = '', userOf = (service) => service }: AclOptions = {}): Acl[] {
  return Object.entries(file.parse(parse(yaml))).flatMap(([service, { topics, groups, transactions }]) => {
    const principal = `User:${userOf(service)}`;
    const named = (resource: Acl['resource'], name: string, operation: Acl['operation']): Acl => ({
      principal,
      resource,
      name: topicPrefix + name.replace(/\*$/, ''),
      prefixed: name.endsWith('*'),
      operation,
    });
    return [
      ...Object.values(TOPICS).flatMap((topic) => [
        named('topic', topic, 'Describe'),
        named('topic', topic, 'DescribeConfigs'),
      ]),
      ...Object.entries(topics).flatMap(([topic, operations]) =>
        (operations ?? []).map((operation) => named('topic', topic, operation)),
      ),
      ...groups.map((group) => named('group', group, 'Read')),
      ...transactions.flatMap((id) => [
        named('transactional-id', id, 'Write'),
        named('transactional-id', id, 'Describe'),
      ]),
    ];
  });
}

/** The same as commands of Kafka's own tool, one for each resource of each principal. */
export function commandsOf(acls: readonly Acl[], bootstrapServer: string): string[] {
  const commands = new Map<string, string[]>();
  for (const { principal, resource, name, prefixed, operation } of acls) {
    const pattern = prefixed ? ' --resource-pattern-type prefixed' : '';
    const key = `--allow-principal '${principal}' --${resource} '${name}'${pattern}`;
    commands.set(key, [...(commands.get(key) ?? []), `--operation ${operation}`]);
  }
  return [...commands].map(
    ([key, operations]) =>
      `kafka-acls.sh --bootstrap-server ${bootstrapServer} --command-config admin.properties --add ${key} ${operations.join(' ')}`,
  );
}
