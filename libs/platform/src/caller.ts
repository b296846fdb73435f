import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Principal } from './api-key.guard.js';

/** The name of who is calling: of the API key, or of the person whom the portal calls for. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): string => {
  const { principal } = context.switchToHttp().getRequest<{ principal: Principal }>();
  return principal.name;
});
