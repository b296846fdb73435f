import { parseArgs } from 'node:util';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { loadConfig } from '#platform/config.js';
import { main } from '#platform/serve.js';
import { verifyAudit } from './audit/audit-chain.js';
import { GRANTS_SCHEMA } from './grants-schema.js';

/** `npm run audit:verify [-- --head SEQ:HASH]`: finds audit rows that were changed or removed; exits with 1 if there are. */
await main(async () => {
  const { DATABASE_URL: url } = loadConfig(z.object({ DATABASE_URL: z.string() }), process.env);
  const { values } = parseArgs({ options: { head: { type: 'string' } } });
  const [, seq, hash] = /^(\d+):([0-9a-f]{64})$/.exec(values.head ?? '') ?? [];
  if (values.head !== undefined && hash === undefined) throw new Error('--head must be SEQ:HASH, as printed before');

  const source = new DataSource({ type: 'postgres', url, extra: { options: `-c search_path=${GRANTS_SCHEMA.name}` } });
  await source.initialize();
  try {
    // One snapshot, so that what is sealed meanwhile does not look like a difference.
    const report = await source.transaction('REPEATABLE READ', (tx) =>
      verifyAudit(tx, seq !== undefined && hash !== undefined ? { seq, hash } : undefined),
    );
    for (const problem of report.problems) console.error(problem);
    const head = report.head ? `${report.head.seq}:${report.head.hash}` : 'none yet';
    console.log(`${report.checked} rows checked, ${report.unsealed} not sealed yet, head ${head}`);
    console.log(report.problems.length === 0 ? 'The audit is whole.' : 'The audit is NOT whole.');
    process.exitCode = report.problems.length === 0 ? 0 : 1;
  } finally {
    await source.destroy();
  }
});
