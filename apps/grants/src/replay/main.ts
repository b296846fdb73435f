import { z } from 'zod';
import { KafkaClient } from '#kafka/client.js';
import { kafkaConfigFrom, kafkaSettings } from '#kafka/settings.js';
import { argumentsOf } from '#platform/arguments.js';
import { loadConfig } from '#platform/config.js';
import { databaseSettings } from '#platform/database.js';
import { main } from '#platform/serve.js';
import { ProviderRegistry } from '#providers/registry.js';
import { replay } from './replay.js';

const HELP = `npm run replay [-- --verify] [--source=receipts|kafka] [--keep-in=<schema>] [--repair]

Rebuilds the state of grants from scratch, from the events that are retained, and compares it with the live one and with the
compacted topic, byte for byte. Changes nothing, unless --repair is said: then what the live state lacks is put back.
--keep-in leaves the rebuilt state in a schema. Needs DATABASE_URL and KAFKA_BROKERS (KAFKA_TOPIC_PREFIX, …) as grants has them, and
where DATABASE_URL's role may not make schemas (deploy/postgres/roles.sql), MIGRATION_DATABASE_URL as well.`;
const MOST_SHOWN = 1_000;

await main(async () => {
  const values = argumentsOf(
    {
      verify: { type: 'boolean' },
      source: { type: 'string', default: 'receipts' },
      'keep-in': { type: 'string' },
      repair: { type: 'boolean' },
    },
    HELP,
  );
  const source = z.enum(['receipts', 'kafka']).parse(values.source);
  const { DATABASE_URL, MIGRATION_DATABASE_URL } = databaseSettings;
  const env = loadConfig(z.object({ ...kafkaSettings, DATABASE_URL, MIGRATION_DATABASE_URL }), process.env);
  const client = new KafkaClient(kafkaConfigFrom(env, 'replay'));
  const providers = new ProviderRegistry(client);
  await providers.start();
  await providers.ready;
  try {
    const startedAt = performance.now();
    const report = await replay({
      database: {
        url: env.DATABASE_URL,
        migrationUrl: env.MIGRATION_DATABASE_URL || undefined,
        poolSize: 4,
        timeoutMs: 3_600_000,
      },
      client,
      source,
      suspensionOf: (providerId) => {
        const rule = providers.get(providerId)?.suspension_rule;
        return rule ? { metadataKey: rule.metadata_key, value: rule.value } : undefined;
      },
      keepIn: values['keep-in'],
      repair: values.repair ?? false,
      say: console.log,
    });
    for (const { what, key, live, replayed } of report.differences.slice(0, MOST_SHOWN)) {
      console.error(`${what} ${key}\n  live      ${live ?? 'is not there'}\n  replayed  ${replayed ?? 'is not there'}`);
    }
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    console.log(`${report.records} records, ${report.scopes} scopes, ${report.grants} grants compared in ${seconds} s`);
    const n = report.differences.length;
    console.log(
      n === 0 ? 'The live state is what the events say.' : `${n} differences${values.repair ? ', put back' : ''}.`,
    );
    process.exitCode = n === 0 || values.repair ? 0 : 1;
  } finally {
    await providers.close();
    await client.close();
  }
});
