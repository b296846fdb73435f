import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { catchError, type Observable, throwError } from 'rxjs';
import { Problem } from './problem.js';
import { DatabaseUnavailable } from './database-errors.js';

/** Where the database is away nothing is known, and unknown is never "allowed": 503, and try again. */
@Injectable()
export class DatabaseProblems implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    return next.handle().pipe(
      catchError((error: unknown) =>
        throwError(() =>
          error instanceof DatabaseUnavailable
            ? new Problem(503, 'database_unavailable', 'The database does not answer; try again.', {
                headers: { 'retry-after': '1' },
              })
            : error,
        ),
      ),
    );
  }
}
