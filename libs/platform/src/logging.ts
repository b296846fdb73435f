import type { LoggerService } from '@nestjs/common';
import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/**
 * JSON lines on stdout, one when a delivery, record or request ends. Ids, outcomes and durations belong into a line;
 * secrets, tokens and bodies never do, and an error is cut down to its name, message, code and stack.
 */
export function createLogger(service: string, level: string): Logger {
  return pino(
    {
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError },
      redact: {
        paths: ['authorization', '*.authorization', 'token', '*.token', 'secret', '*.secret'],
        censor: '[redacted]',
      },
    },
    togetherOn(pino.destination(1)),
  );
}

/**
 * Lines of one turn of the event loop, which may tell of a hundred deliveries, are written together: a write takes longer than
 * a line. Whatever ends the process in order, also an error that nobody caught, writes what is left.
 */
export function togetherOn(destination: DestinationStream): DestinationStream {
  let lines = '';
  let listening = false;
  const write = (): void => {
    const text = lines;
    lines = '';
    if (text !== '') destination.write(text);
  };
  return {
    write(line) {
      if (!listening) process.once('exit', write);
      listening = true;
      if (lines === '') setImmediate(write);
      lines += line;
    },
  };
}

/** Of an error, what helps and gives nothing away; drivers hang queries and parameters onto theirs. */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const code = (error as { code?: unknown }).code;
  return {
    type: error.name,
    message: error.message,
    ...(typeof code === 'string' ? { code } : {}),
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}

/** Nest's own lines, in the same form. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}
  log(message: unknown, ...context: unknown[]): void {
    this.logger.debug({ context: context.at(-1) }, String(message));
  }
  warn(message: unknown, ...context: unknown[]): void {
    this.logger.warn({ context: context.at(-1) }, String(message));
  }
  error(message: unknown, ...context: unknown[]): void {
    if (message instanceof Error) this.logger.error({ err: message, context: context.at(-1) }, message.message);
    else this.logger.error({ stack: context.at(0), context: context.at(-1) }, String(message));
  }
  fatal(message: unknown, ...context: unknown[]): void {
    this.logger.fatal({ context: context.at(-1) }, String(message));
  }
}
