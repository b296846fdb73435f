import { createHash } from 'node:crypto';
import { z } from 'zod';

/** A row of the audit as the database writes it down, so that it comes back the same: the time in seconds, the detail as text. */
export const auditRow = z.object({
  id: z.string(),
  at: z.string(),
  actor: z.string(),
  action: z.string(),
  provider_id: z.string().nullable(),
  subject: z.string(),
  reason: z.string().nullable(),
  source_event_id: z.string().nullable(),
  detail: z.string().nullable(),
});
export type AuditFields = z.infer<typeof auditRow>;

/** The hash of a row: SHA-256 over the hash before it and the row in canonical JSON. */
export function chainHash(before: Buffer, row: AuditFields): Buffer {
  const canonical = JSON.stringify([
    row.id,
    row.at,
    row.actor,
    row.action,
    row.provider_id,
    row.subject,
    row.reason,
    row.source_event_id,
    row.detail,
  ]);
  return createHash('sha256').update(before).update(canonical).digest();
}
