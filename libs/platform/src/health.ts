import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Public } from './api-key.guard.js';

/** One thing that a service needs to keep its promise. `undefined` says that it is there, text says what is missing. */
export interface ReadinessCheck {
  name: string;
  problem(): string | undefined | Promise<string | undefined>;
}

export const READINESS_CHECKS = Symbol('readiness checks');
/** Further facts for `/health/ready`, such as the age of the view. */
export const READINESS_FACTS = Symbol('readiness facts');

const CHECK_TIMEOUT_MS = 2_000;

/** `live`: the process answers. `ready`: 200, or 503 with a body that names what is missing. */
@Public()
@Controller('health')
export class HealthController {
  private stopping = false;

  constructor(
    @Inject(READINESS_CHECKS) private readonly checks: readonly ReadinessCheck[],
    @Inject(READINESS_FACTS) private readonly facts: () => Record<string, unknown>,
  ) {}

  /** From now on not ready, so that no new work is sent here while the last of it is finished. */
  stop(): void {
    this.stopping = true;
  }

  @Get('live')
  live(): { status: string } {
    return { status: 'live' };
  }

  @Get('ready')
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<object> {
    const missing: Record<string, string> = {};
    if (this.stopping) missing['service'] = 'is stopping';
    await Promise.all(
      this.checks.map(async ({ name, problem }) => {
        const found = await withinTime(problem).catch((error: unknown) => (error as Error).message);
        if (found !== undefined) missing[name] = found;
      }),
    );
    const ready = Object.keys(missing).length === 0;
    void reply.status(ready ? 200 : 503);
    return { status: ready ? 'ready' : 'not_ready', ...(ready ? {} : { missing }), ...this.facts() };
  }
}

async function withinTime(problem: ReadinessCheck['problem']): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no answer within ${CHECK_TIMEOUT_MS} ms`), CHECK_TIMEOUT_MS);
  });
  try {
    return await Promise.race([problem(), late]);
  } finally {
    clearTimeout(timer);
  }
}
