import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import { checked } from '#contracts/checked.js';
import { decodeCloudEvent } from '#contracts/cloud-event.js';
import { SIGN_IN_TYPE, type SignInData, signInData } from '#contracts/sign-in.js';
import { TOPICS } from '#contracts/topics.js';
import { within } from '#kafka/backoff.js';
import { KafkaClient } from '#kafka/client.js';
import { TopicReader } from '#kafka/topic-reader.js';
import { Database } from '#platform/database.js';
import { valid } from '#platform/validation.js';
import { providerUnknown } from './change-provider.js';
import { RemapCount, type RemapPreview, remaps } from './claim-mappings.js';
import { readProvider } from './identity-providers.sql.js';
import { changed, complete, providerChange } from './provider-settings.js';

export const remapRequest = z.strictObject({ claim_mappings: providerChange.shape.claim_mappings.unwrap() });

/** So long may the sign-ins of 30 days take to be read; what was not read by then is left out, and that is said. */
const READ_WITHIN_MS = 10_000;

@Controller('v1/identity-providers/:id/claim-mappings')
export class ClaimMappingsController {
  constructor(
    private readonly database: Database,
    private readonly client: KafkaClient,
  ) {}

  /** Whom it would affect to read other claims; nothing is changed. */
  @Post('preview')
  @HttpCode(200)
  async preview(
    @Param('id') id: string,
    @Body(valid(remapRequest)) { claim_mappings }: z.output<typeof remapRequest>,
  ): Promise<RemapPreview> {
    const row = await this.database.read((tx) => readProvider(tx, id));
    if (!row) throw providerUnknown();
    const { settings } = row;
    const after = complete(changed(settings, { claim_mappings }), settings);
    const changes = remaps(settings.claim_mappings, after.claim_mappings);
    const count = new RemapCount(id, changes);
    const readAll = changes.length === 0 || (await this.readSignIns((signIn) => count.count(signIn)));
    return count.preview(row.claims_confirmed_at !== null, readAll);
  }

  /** Answers whether it came to the end in time. */
  private async readSignIns(take: (signIn: SignInData) => void): Promise<boolean> {
    const reader = new TopicReader(this.client, {
      topics: [TOPICS.signIns],
      onRecords: (records) => {
        for (const { value } of records) {
          const signIn = signInOf(value);
          if (signIn) take(signIn);
        }
      },
    });
    try {
      const read = reader.start().then(() => reader.caughtUp.then(() => true));
      return (await within(READ_WITHIN_MS, read)) ?? false;
    } finally {
      await reader.close();
    }
  }
}

/** What cannot be read is left out here; grants sets it aside. */
function signInOf(value: Buffer | null): SignInData | undefined {
  try {
    const record = decodeCloudEvent(value);
    const parsed = checked(signInData, record.data);
    return record.type === SIGN_IN_TYPE && parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
