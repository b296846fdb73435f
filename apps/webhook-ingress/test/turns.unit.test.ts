import { Turns } from '../src/turns.js';

const enter = (turns: Turns, times: number) => Array.from({ length: times }, () => turns.enter());
/** Some of them do not wait at all. */
const all = (entered: (Promise<void> | undefined)[]) => Promise.all(entered.filter((turn) => turn !== undefined));

test('while few are under way nobody waits', () => {
  const turns = new Turns();
  for (let i = 0; i < 100; i++) {
    expect(enter(turns, 7)).toEqual(Array.from({ length: 7 }, () => undefined));
    for (let left = 0; left < 7; left++) turns.leave();
  }
});

test('while many are, they go on together, half as many as there were before', async () => {
  const turns = new Turns();
  const first = enter(turns, 20);
  expect(first.filter((turn) => turn === undefined)).toHaveLength(7);
  await all(first); // also the last ones, for whom nobody comes any more
  for (let left = 0; left < 20; left++) turns.leave();

  const gone: number[] = [];
  const second = enter(turns, 9).map((turn, index) => turn!.then(() => gone.push(index)));
  await Promise.resolve();
  expect(gone).toEqual([]);
  second.push(turns.enter()!.then(() => gone.push(9))); // now all are there: no timer is waited for
  await Promise.resolve();
  expect(gone).toHaveLength(10);
  await Promise.all(second);
});

test('when the others have gone, one waits for them once, and never again', async () => {
  const turns = new Turns();
  await all(enter(turns, 20));
  for (let left = 0; left < 20; left++) turns.leave();
  await turns.enter();
  turns.leave();
  expect(turns.enter()).toBeUndefined();
});
