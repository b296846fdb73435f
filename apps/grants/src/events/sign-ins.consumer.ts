import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { decodeCloudEvent, problemFields } from '#contracts/cloud-event.js';
import { parseTime } from '#contracts/moment.js';
import { Rejected } from '#contracts/rejected.js';
import { SIGN_IN_TYPE, signInData } from '#contracts/sign-in.js';
import { checked } from '#contracts/checked.js';
import { isStorable } from '#contracts/storable.js';
import { TOPICS } from '#contracts/topics.js';
import type { ConsumedRecord } from '#kafka/record.js';
import { moveBehind, setAside } from './apply-batch.js';
import { Database } from '#platform/database.js';
import type { RejectedRecord } from './decode-batch.js';
import { type SignIn, writeSignIns } from '../directory/directory.sql.js';
import { storable } from '../domain/directory.js';
import { GrantsMetrics } from '../grants-metrics.js';

@Controller()
export class SignInsConsumer {
  constructor(
    private readonly database: Database,
    private readonly metrics: GrantsMetrics,
  ) {}

  /** A person appears by signing in. Returns once committed; the offset moves only then. */
  @EventPattern<string>(TOPICS.signIns)
  async handle(@Payload() records: ConsumedRecord[]): Promise<void> {
    const signIns: SignIn[] = [];
    const rejected: RejectedRecord[] = [];
    for (const record of records) {
      try {
        signIns.push(decodeSignIn(record.value));
      } catch (error) {
        const { code, detail } = error instanceof Rejected ? error : new Rejected('record_malformed', 'unreadable');
        rejected.push({ record, reason: code, detail: detail ?? null });
      }
    }
    await this.database.transaction(async (tx) => {
      await writeSignIns(tx, signIns);
      await setAside(tx, rejected);
      await moveBehind(tx, records);
    });
    this.metrics.setAside(rejected);
  }
}

function decodeSignIn(value: Buffer | null): SignIn {
  const record = decodeCloudEvent(value);
  if (record.type !== SIGN_IN_TYPE) throw new Rejected('record_malformed', 'type');
  const parsed = checked(signInData, record.data);
  if (!parsed.success) throw new Rejected('record_malformed', `data: ${problemFields(parsed.error)}`);
  const { provider_id, user_id, organization_id, session_id, email } = parsed.data;
  const at = parseTime(parsed.data.at);
  if (Number.isNaN(at)) throw new Rejected('record_malformed', 'data: at');
  const ids = [provider_id, user_id, organization_id ?? '', session_id ?? ''];
  if (!ids.every(isStorable)) throw new Rejected('record_malformed', 'an id');
  return {
    providerId: provider_id,
    userId: user_id,
    organizationId: organization_id ?? null,
    sessionId: session_id ?? null,
    email: storable(email),
    at,
  };
}
