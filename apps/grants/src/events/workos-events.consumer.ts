import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { TOPICS } from '#contracts/topics.js';
import { BatchContext, StartAgainAt } from '#kafka/batch-server.js';
import type { ConsumedRecord } from '#kafka/record.js';
import { EventApplier } from './event-applier.js';

@Controller()
export class WorkOSEventsConsumer {
  constructor(private readonly applier: EventApplier) {}

  /** Returns once committed; the offset moves only then. */
  @EventPattern<string>(TOPICS.workosEvents)
  async handle(@Payload() records: ConsumedRecord[], @Ctx() context: BatchContext): Promise<void> {
    try {
      await this.applier.apply(records);
    } catch (error) {
      if (error instanceof StartAgainAt) context.startAgainAt(error.offset);
      throw error;
    }
  }
}
