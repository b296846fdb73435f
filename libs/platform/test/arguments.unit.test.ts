import { jest } from '@jest/globals';
import { argumentsOf } from '../src/arguments.js';

const read = (...args: string[]) =>
  argumentsOf({ 'dry-run': { type: 'boolean' }, provider: { type: 'string' } }, 'npm run x', args);

test('what was given', () => {
  expect(read('--provider=idp_1', '--dry-run')).toEqual({ provider: 'idp_1', 'dry-run': true });
});

test.each([
  ['--help', 0],
  ['-h', 0],
  ['--dryrun', 2],
  ['production', 2],
])('%s ends the process before anything is done', (arg, code) => {
  const exit = jest.spyOn(process, 'exit').mockImplementation(() => {
    throw new Error('ended');
  });
  const said = jest.spyOn(console, code === 0 ? 'log' : 'error').mockImplementation(() => undefined);
  expect(() => read(arg)).toThrow('ended');
  expect(exit).toHaveBeenCalledWith(code);
  expect(said).toHaveBeenCalledWith(expect.stringMatching(/npm run x$/));
  jest.restoreAllMocks();
});
