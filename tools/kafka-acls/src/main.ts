import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { aclsOf, commandsOf } from './acls.js';

/** Prints the commands that give the services their rights: `npm run -s kafka:acls > acls.sh`. */
const yaml = await readFile(join(import.meta.dirname, '../../../../deploy/kafka/acls.yaml'), 'utf8');
const acls = aclsOf(yaml, {
  topicPrefix: process.env['KAFKA_TOPIC_PREFIX'] ?? '',
  // Several installations share a cluster: `rescind-grants` is another one than `staging-grants`.
  userOf: (service) => `${process.env['KAFKA_USER_PREFIX'] ?? ''}${service}`,
});
console.log(commandsOf(acls, process.env['KAFKA_BROKERS'] ?? 'localhost:9092').join('\n'));
