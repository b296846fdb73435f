import { BrokerUnavailable } from '#kafka/errors.js';
import { relayProducers } from './relay-producers.js';
import { eventually } from '#testing/eventually.js';

const { own, producerOf, records, valuesOf } = relayProducers();

test('while Kafka is away it says so; after acquiring again it writes again', async () => {
  const producer = producerOf({ deliveryTimeoutMs: 1_500 });
  await producer.acquire();
  await producer.sendAll(records('before'));
  await own.broker.kill();
  // Also where nobody sends anything: somebody has to acquire again, since the last commit may need it.
  await eventually(() => !producer.isAcquired());
  await expect(producer.sendAll(records('away'))).rejects.toThrow(BrokerUnavailable);
  await expect(producer.acquire()).rejects.toThrow(BrokerUnavailable);

  await own.broker.start();
  // It must not come back by itself: somebody else may lead by now.
  await expect(producer.sendAll(records('not acquired'))).rejects.toThrow(BrokerUnavailable);
  await eventually(() =>
    producer.acquire().then(
      () => true,
      () => false,
    ),
  );
  await producer.sendAll(records('after'));
  const values = await valuesOf();
  expect(values).toEqual(expect.arrayContaining(['before', 'after']));
  expect(values).not.toContain('not acquired');
});
