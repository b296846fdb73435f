import { z } from 'zod';
import { kafkaConfigFrom, kafkaSettings } from '#kafka/settings.js';

const schema = z.object(kafkaSettings);
const configOf = (env: Record<string, string>) =>
  kafkaConfigFrom(schema.parse({ KAFKA_BROKERS: 'a:9092', ...env }), 'app');

test('brokers are a list; everything else may be left out', () => {
  expect(configOf({ KAFKA_BROKERS: 'a:9092, b.example:9093,[::1]:9094' })).toEqual({
    brokers: ['a:9092', 'b.example:9093', '[::1]:9094'],
    clientId: 'app',
    topicPrefix: '',
  });
});

test.each(['', 'a', 'a:', 'http://a:9092', 'a:9092,', 'a:9092,,b:9092'])('"%s" is no list of brokers', (brokers) => {
  expect(schema.safeParse({ KAFKA_BROKERS: brokers }).success).toBe(false);
});

test('TLS and SASL', () => {
  expect(
    configOf({
      KAFKA_SSL: 'true',
      KAFKA_SASL_MECHANISM: 'scram-sha-512',
      KAFKA_SASL_USERNAME: 'user',
      KAFKA_SASL_PASSWORD: 'password',
    }),
  ).toMatchObject({ ssl: true, sasl: { mechanism: 'scram-sha-512', username: 'user', password: 'password' } });
});

test('half of a setting is an error that names everything missing, and no secret', () => {
  const half = { KAFKA_SASL_MECHANISM: 'plain', KAFKA_SSL_CERT_FILE: '/nowhere/cert.pem' };
  expect(() => configOf(half)).toThrow(/KAFKA_SSL_CERT_FILE: ENOENT.*KAFKA_SASL_USERNAME.*KAFKA_SASL_PASSWORD/);
  expect(() => configOf({ KAFKA_SASL_PASSWORD: 'hunter2' })).toThrow(/^KAFKA_SASL_MECHANISM(?!.*hunter2)/);
});

test('OAUTHBEARER: the client, its endpoint, scope and extensions', () => {
  const env = {
    KAFKA_SASL_MECHANISM: 'oauthbearer',
    KAFKA_SASL_USERNAME: 'client',
    KAFKA_SASL_PASSWORD: 'hunter2',
    KAFKA_SASL_TOKEN_ENDPOINT: 'https://idp.example.com/token',
    KAFKA_SASL_SCOPE: 'kafka',
    KAFKA_SASL_EXTENSIONS: 'logicalCluster=lkc-1,identityPoolId=pool=1',
  };
  expect(configOf(env).sasl).toEqual({
    mechanism: 'oauthbearer',
    clientId: 'client',
    clientSecret: 'hunter2',
    tokenEndpoint: 'https://idp.example.com/token',
    scope: 'kafka',
    extensions: { logicalCluster: 'lkc-1', identityPoolId: 'pool=1' },
  });
  const { KAFKA_SASL_TOKEN_ENDPOINT: _, ...withoutEndpoint } = env;
  expect(() => configOf(withoutEndpoint)).toThrow(/^KAFKA_SASL_TOKEN_ENDPOINT(?!.*hunter2)/);
  expect(() => configOf({ ...env, KAFKA_SASL_MECHANISM: 'plain' })).toThrow(/oauthbearer alone/);
  // The secret of the client would go there in the clear.
  expect(
    schema.safeParse({ KAFKA_BROKERS: 'a:1', ...env, KAFKA_SASL_TOKEN_ENDPOINT: 'http://idp.example.com/t' }).success,
  ).toBe(false);
});
