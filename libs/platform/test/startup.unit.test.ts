import { deferred } from '#testing/deferred.js';
import { Startup } from '#platform/startup.js';

test('a stop waits for the step that is under way, and no other one begins', async () => {
  const startup = new Startup();
  const opened = deferred();
  const done: string[] = [];
  startup.begin(async (signal) => {
    await opened.promise;
    done.push('opened');
    if (!signal.aborted) done.push('went on');
  });
  startup.stop();
  const ended = startup.ended(60_000).then(() => done.push('closed'));
  await new Promise(setImmediate);
  expect(done).toEqual([]);
  opened.resolve();
  await ended;
  expect(done).toEqual(['opened', 'closed']);
});

test('a step that does not end holds up nobody', async () => {
  const startup = new Startup();
  startup.begin(() => new Promise(() => undefined));
  await startup.ended(1);
});

test('what was never begun has ended', async () => {
  await new Startup().ended(60_000);
});
