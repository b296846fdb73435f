import { createRescind, kafkaSource } from '@rescind/client';
import kafkajs from 'kafkajs';

const { KAFKA_BROKERS, KAFKA_TOPIC_PREFIX = '', PROVIDER_ID, ISSUER } = process.env;

const kafka = new kafkajs.Kafka({ clientId: 'my-service', brokers: KAFKA_BROKERS.split(','), logLevel: 0 });
const rescind = createRescind({
  source: kafkaSource({ kafka, topicPrefix: KAFKA_TOPIC_PREFIX }),
  providers: [{ id: PROVIDER_ID, issuers: [ISSUER] }],
});

await rescind.ready(120_000);
// The claims of a token that somebody has checked already.
for (const sub of process.argv.slice(2)) {
  const revocation = rescind.isRevoked({ iss: ISSUER, sub, sid: 'session_1', iat: Math.floor(Date.now() / 1000) });
  console.log(`${sub}: ${revocation?.reason ?? 'not revoked'}`);
}
await rescind.close();
