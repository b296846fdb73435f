import { eventually } from '#testing/eventually.js';

test('asks until there is an answer; false, undefined and errors are none', async () => {
  const answers = [
    () => undefined,
    () => false as const,
    () => {
      throw new Error('not there yet');
    },
    () => 0,
  ];

  expect(await eventually(() => answers.shift()!(), { everyMs: 1 })).toBe(0);
  expect(answers).toEqual([]);
});

test('gives up after its time, saying what it waited for and why it did not come', async () => {
  const ask = () => Promise.reject(new Error('refused'));
  const waiting = eventually(ask, { timeoutMs: 20, everyMs: 1, what: 'an answer' });

  await expect(waiting).rejects.toThrow('not within 20 ms: an answer');
  await expect(waiting).rejects.toHaveProperty('cause.message', 'refused');
});
