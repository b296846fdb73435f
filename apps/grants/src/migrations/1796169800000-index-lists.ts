import { type Indexes, ReplaceIndexes } from './indexes.js';

/** Name → what it is on. Each bounds a page of a list by the page's own size, whatever the table's (docs/performance.md). */
const INDEXES: Indexes = {
  // Prefixes in the order of bytes, so that one index both finds them and pages through them.
  users_by_id_prefix: `users ((id collate "C"), (provider_id collate "C"))`,
  users_by_email_prefix: `users ((lower(coalesce(email, sign_in_email)) collate "C"), (id collate "C"))`,
  users_by_name_prefix: `users ((lower(coalesce(name, coalesce(first_name, '') || ' ' || coalesce(last_name, ''))) collate "C"), (id collate "C"))`,
  users_of_provider_by_id: 'users (provider_id, id)',
  // Nothing that a mark changes: with an index on it, every mark would have to write every index (docs/adr/0015).
  grants_by_expiry: `grants (expires_at, id) where expires_at is not null`,
  grants_of_organization_by_expiry: `grants (organization_id, provider_id, expires_at, id)
    where expires_at is not null and organization_id is not null`,
  grants_of_resource_by_expiry: `grants (resource, expires_at, id) where expires_at is not null`,
  grants_of_provider: 'grants (provider_id, id)',
  receipts_of_provider: 'receipts (provider_id, seq)',
  revocations_of_provider: 'revocations (provider_id, id)',
  audit_of_provider: 'audit (provider_id, id)',
};
/** What the first three took the place of. */
const REPLACED: Indexes = {
  users_by_email: 'users (lower(coalesce(email, sign_in_email)) text_pattern_ops)',
  users_by_name: `users (lower(coalesce(name, coalesce(first_name, '') || ' ' || coalesce(last_name, ''))) text_pattern_ops)`,
};

/** So that a list answers at once also with a million users and ten million grants. */
export class IndexLists1796169800000 extends ReplaceIndexes {
  override readonly name = 'IndexLists1796169800000';
  protected override readonly made = INDEXES;
  protected override readonly replaced = REPLACED;
}
