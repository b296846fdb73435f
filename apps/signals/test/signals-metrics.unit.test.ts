import { Registry } from 'prom-client';
import { SignalsMetrics } from '../src/signals-metrics.js';

test('each scrape shows what it has read itself, and reads once', async () => {
  const registry = new Registry();
  const none = () => Promise.resolve(undefined);
  let reads = 0;
  const backlog = () => Promise.resolve([{ kind: 'webhook', pending: ++reads, seconds: reads, refused: reads }]);
  new SignalsMetrics(registry, backlog, none, none);
  for (const scrape of [1, 2]) {
    const text = await registry.metrics();
    for (const name of ['backlog', 'backlog_seconds', 'refused']) {
      expect(text).toContain(`rescind_signals_${name}{kind="webhook"} ${scrape}\n`);
    }
  }
});

test('what cannot be read keeps what was known, and the next scrape reads again', async () => {
  const registry = new Registry();
  const none = () => Promise.resolve(undefined);
  const answers = [[{ kind: 'webhook', pending: 1, seconds: 1, refused: 0 }], undefined, []];
  new SignalsMetrics(registry, () => Promise.resolve(answers.shift()), none, none);
  await registry.metrics();
  expect(await registry.metrics()).toContain('rescind_signals_backlog{kind="webhook"} 1\n');
  expect(await registry.metrics()).not.toContain('rescind_signals_backlog{');
});
