import { setImmediate } from 'node:timers/promises';
import { togetherOn } from '../src/logging.js';

test('the lines of one turn are one write, in their order', async () => {
  const written: string[] = [];
  const stream = togetherOn({ write: (text) => void written.push(text) });
  for (const line of ['a\n', 'b\n', 'c\n']) stream.write(line);
  expect(written).toEqual([]);
  await setImmediate();
  stream.write('d\n');
  await setImmediate();
  expect(written).toEqual(['a\nb\nc\n', 'd\n']);
});

test('a process that ends in the middle of a turn has written its lines', () => {
  const before = process.listeners('exit');
  const written: string[] = [];
  togetherOn({ write: (text) => void written.push(text) }).write('last\n');
  for (const listener of process.listeners('exit')) if (!before.includes(listener)) listener.call(process, 0);
  expect(written).toEqual(['last\n']);
});
