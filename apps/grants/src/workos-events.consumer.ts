import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { TOPICS } from '#contracts/topics.js';
import type { ConsumedRecord } from '#kafka/record.js';
import { EventApplier } from './event-applier.js';

@Controller()
export class WorkOSEventsConsumer {
  constructor(private readonly applier: EventApplier) {}

  /** Returns once committed; the offset moves only then. */
  @EventPattern<string>(TOPICS.workosEvents)
  async handle(@Payload() records: ConsumedRecord[]): Promise<void> {
    await this.applier.apply(records);
  }
}
