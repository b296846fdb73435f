import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Principal } from './api-key.guard.js';

/** The name of the API key that the request came with. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): string => {
  const { principal } = context.switchToHttp().getRequest<{ principal: Principal }>();
  return principal.name;
});
