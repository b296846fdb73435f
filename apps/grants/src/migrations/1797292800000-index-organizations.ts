import { type Indexes, ReplaceIndexes } from './indexes.js';

/** In the order of a list of one organization, whose provider hardly anybody names beside it. */
const INDEXES: Indexes = {
  grants_in_organization: 'grants (organization_id, id) where organization_id is not null',
  grants_in_organization_by_expiry: `grants (organization_id, expires_at, id)
    where expires_at is not null and organization_id is not null`,
};
const REPLACED: Indexes = {
  grants_of_organization: 'grants (organization_id, provider_id, id) where organization_id is not null',
  grants_of_organization_by_expiry: `grants (organization_id, provider_id, expires_at, id)
    where expires_at is not null and organization_id is not null`,
};

export class IndexOrganizations1797292800000 extends ReplaceIndexes {
  override readonly name = 'IndexOrganizations1797292800000';
  protected override readonly made = INDEXES;
  protected override readonly replaced = REPLACED;
}
