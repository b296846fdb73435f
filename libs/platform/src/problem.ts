import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from './logging.js';

/** An error over HTTP: `application/problem+json` (RFC 9457) with a stable `code` for machines. */
export class Problem extends Error {
  override readonly name = 'Problem';
  /**
   * @param detail what to do about it, for a person
   * @param options.headers sent with it, such as `Retry-After` (seconds) or `WWW-Authenticate`
   * @param options.extra further members of the problem document
   */
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail?: string,
    readonly options: { headers?: Record<string, string>; extra?: Record<string, unknown> } = {},
  ) {
    super(detail ? `${code}: ${detail}` : code);
  }
}

const TITLES: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  409: 'Conflict',
  413: 'Content Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
};

const CODES: Record<number, string> = {
  400: 'bad_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  413: 'body_too_large',
  414: 'url_too_long',
  415: 'media_type_unsupported',
  429: 'rate_limited',
};

export function sendProblem(reply: FastifyReply, problem: Problem): void {
  void reply
    .status(problem.status)
    .headers(problem.options.headers ?? {})
    .type('application/problem+json')
    .send(problemBody(problem));
}

export function problemBody({ status, code, detail, options }: Problem): object {
  return {
    type: 'about:blank',
    title: TITLES[status] ?? 'Error',
    status,
    code,
    ...(detail === undefined ? {} : { detail }),
    ...options.extra,
  };
}

/** What the caller may know of an error: a problem as it is, a framework's refusal by its status, else 500 and no more. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const status = statusOf(error);
  if (status !== undefined && status >= 400 && status < 500) {
    return new Problem(status, CODES[status] ?? 'bad_request', sayingNoUrl(status, error as Error));
  }
  return new Problem(500, 'internal_error', 'Our fault; the log of the service says more.');
}

/** Frameworks repeat the path that they were asked for, which may hold a token and lands in the logs of whoever asked. */
function sayingNoUrl(status: number, error: Error): string {
  if (status === 404) return 'There is nothing at this path.';
  if (status === 414) return 'A part of the path is too long.';
  return (error as { code?: unknown }).code === 'FST_ERR_BAD_URL' ? 'The path cannot be decoded.' : error.message;
}

function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  const status = (error as { statusCode?: unknown }).statusCode; // Fastify's own, such as a body that is no JSON
  return typeof status === 'number' ? status : undefined;
}

/** Every error of every route, as a problem; only our own faults are logged with their stack. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const problem = toProblem(error);
    const http = host.switchToHttp();
    if (problem.status === 500) {
      const request = http.getRequest<FastifyRequest>();
      this.logger.error({ err: error, method: request.method, route: request.routeOptions.url }, 'request failed');
    }
    sendProblem(http.getResponse<FastifyReply>(), problem);
  }
}
