import { DatabaseUnavailable, isConflict, isUnavailable, isUnstorable } from '../src/database-errors.js';

/** As the driver throws it, and as TypeORM wraps it. */
const fromDriver = (code: string, more: object = {}): Error => Object.assign(new Error('it failed'), { code, ...more });
const fromTypeOrm = (code: string, more: object = {}): Error =>
  Object.assign(new Error('it failed'), { driverError: fromDriver(code, more) });

const classOf = (error: unknown): string =>
  [isUnavailable(error) && 'away', isConflict(error) && 'again', isUnstorable(error) && 'set aside']
    .filter(Boolean)
    .join(' and ') || 'ours';

// https://www.postgresql.org/docs/current/errcodes-appendix.html. Only what is in the values themselves is set aside.
test.each([
  ['08000', 'away', 'connection exception'],
  ['08006', 'away', 'connection failure'],
  ['25006', 'away', 'read-only: a standby'],
  ['40001', 'again', 'serialization failure'],
  ['40P01', 'again', 'deadlock'],
  ['53000', 'away', 'insufficient resources'],
  ['53100', 'away', 'disk full'],
  ['53200', 'away', 'out of memory'],
  ['53300', 'away', 'too many connections'],
  ['53400', 'away', 'configuration limit exceeded'],
  ['55P03', 'away', 'lock timeout'],
  ['57014', 'away', 'statement timeout, or cancelled'],
  ['57P01', 'away', 'admin shutdown'],
  ['57P02', 'away', 'crash shutdown'],
  ['57P03', 'away', 'cannot connect now'],
  ['57P05', 'away', 'idle session timeout'],
  ['58030', 'away', 'input or output error'],
  ['ECONNREFUSED', 'away', 'nobody listens'],
  ['ECONNRESET', 'away', 'the connection was cut'],
  ['ENOTFOUND', 'away', 'no such host'],
  ['22001', 'set aside', 'too long'],
  ['22003', 'set aside', 'out of range'],
  ['22021', 'set aside', 'a character that the encoding lacks'],
  ['54000', 'set aside', 'too large for an index'],
  ['22P05', 'set aside', 'a character that cannot be converted'],
  ['23505', 'ours', 'unique violation'],
  ['23514', 'ours', 'check violation'],
  ['42P01', 'ours', 'no such table'],
  ['42501', 'ours', 'insufficient privilege'],
  ['XX000', 'ours', 'internal error'],
])('%s is %s: %s', (code, expected) => {
  expect(classOf(fromDriver(code))).toBe(expected);
  expect(classOf(fromTypeOrm(code))).toBe(expected);
});

test.each([
  ['a fatal error, whatever its code', fromTypeOrm('28P01', { severity: 'FATAL' }), 'away'],
  ['a panic', fromDriver('XX000', { severity: 'PANIC' }), 'away'],
  ['several addresses, none of which answers', new AggregateError([fromDriver('ECONNREFUSED')]), 'away'],
  ['no connection in time', new Error('timeout exceeded when trying to connect'), 'away'],
  ['a connection that ended', new Error('Connection terminated unexpectedly'), 'away'],
  ['no answer in time', new Error('Query read timeout'), 'away'],
  ['what we say ourselves', new DatabaseUnavailable('x'), 'away'],
  ['a defect of ours', new TypeError('undefined is not a function'), 'ours'],
  ['no error at all', 'text', 'ours'],
])('%s', (_, error, expected) => {
  expect(classOf(error)).toBe(expected);
});
