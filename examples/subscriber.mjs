// Reacts to each revocation once: follows access.revocations with kafkajs. A consumer group shares the work among replicas; what it has
// handled is committed after, so a revocation may come twice and none is lost. `id` tells a second time from a first.
//
//   KAFKA_BROKERS=127.0.0.1:9092 node subscriber.mjs
import kafkajs from 'kafkajs';

const { KAFKA_BROKERS, KAFKA_TOPIC_PREFIX = '', GROUP_ID = `${KAFKA_TOPIC_PREFIX}my-service` } = process.env;

const kafka = new kafkajs.Kafka({ clientId: 'my-service', brokers: KAFKA_BROKERS.split(','), logLevel: 1 });
const consumer = kafka.consumer({ groupId: GROUP_ID });

/** Whatever has to end: sessions, connections, caches. Must be safe to do twice. */
async function revoke({ id, data }) {
  console.log(JSON.stringify({ id, scope: data.scope, reason: data.reason, grants: data.revoked_grant_ids ?? 'ask' }));
}

await consumer.connect();
await consumer.subscribe({ topics: [`${KAFKA_TOPIC_PREFIX}access.revocations`], fromBeginning: true });
await consumer.run({
  eachMessage: async ({ message }) => {
    const event = JSON.parse(message.value.toString());
    // Types that come later are not for this version.
    if (event.type === 'io.rescind.revocation.v1') await revoke(event);
  },
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => consumer.disconnect());
