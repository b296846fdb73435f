/** PostgreSQL error codes: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const TRY_AGAIN = new Set(['40001', '40P01']); // serialisation failure, deadlock
const AWAY = new Set([
  '53000', '53100', '53200', '53300', '53400', // out of disk, memory or connections
  '57014', '57P01', '57P02', '57P03', '57P05', // cancelled, shut down, starting up
  '55P03', // a lock was not to be had in time
  '58030', // input or output failed
  '25006', // a standby, or a disk that became read-only
  'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH',
]); // prettier-ignore
const AWAY_MESSAGE =
  /timeout exceeded when trying to connect|connection terminated|query read timeout|connection error|connection timeout|client was closed|not queryable|cannot use a pool after/i;
const AWAY_NAME = new Set([
  'QueryRunnerAlreadyReleasedError',
  'ConnectionIsNotSetError',
  'DataSourceNotInitializedError',
]);

/** The database did not answer, or not in time; whether it has committed is unknown. */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable';
}

/** The SQLSTATE, or the code of the socket's error; TypeORM keeps the driver's error inside its own. */
export function codeOf(error: unknown): string | undefined {
  const { code, driverError } = error as { code?: unknown; driverError?: { code?: unknown } };
  const found = driverError?.code ?? code;
  return typeof found === 'string' ? found : undefined;
}

/** Whether the same transaction may well succeed the next time. */
export const isConflict = (error: unknown): boolean => TRY_AGAIN.has(codeOf(error) ?? '');

/** Whether the database is away or out of something, which says nothing about what was asked of it. */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof DatabaseUnavailable || AWAY_NAME.has(error.name)) return true;
  if (error instanceof AggregateError && error.errors.some(isUnavailable)) return true;
  const { severity } = ((error as { driverError?: object }).driverError ?? error) as { severity?: string };
  if (severity === 'FATAL' || severity === 'PANIC') return true; // the connection is gone, or was not to be had
  const code = codeOf(error);
  return code === undefined ? AWAY_MESSAGE.test(error.message) : AWAY.has(code) || code.startsWith('08');
}

/** Whether the values themselves cannot be stored (SQLSTATE class 22), or are too much for an index (54): no retry helps. */
export const isUnstorable = (error: unknown): boolean => /^(22|54)...$/.test(codeOf(error) ?? '');
