import { codeOf } from '#platform/database-errors.js';
import { Problem } from '#platform/problem.js';
import { rowsOf, type Tx } from '#platform/sql.js';

export type AssignableRole = 'administrator' | 'auditor';

export interface RoleRow {
  id: string;
  role: AssignableRole;
  provider_id: string;
  kind: 'user' | 'email' | 'organization_role';
  value: string;
  created_at: Date;
  created_by: string;
}

const COLUMNS = 'id, role, provider_id, kind, value, created_at, created_by';

/** Throws 404 `provider_unknown`, 409 `role_assigned`. */
export async function insertRole(tx: Tx, role: Omit<RoleRow, 'created_at'>): Promise<RoleRow> {
  try {
    const [row] = await rowsOf<RoleRow>(
      tx,
      `insert into role_assignments (id, role, provider_id, kind, value, created_by)
       select $1, $2, p.id, $4, $5, $6 from identity_providers p where p.id = $3 and p.deleted_at is null
       returning ${COLUMNS}`,
      [role.id, role.role, role.provider_id, role.kind, role.value, role.created_by],
    );
    if (!row) throw new Problem(404, 'provider_unknown', 'There is no identity provider of that id.');
    return row;
  } catch (error) {
    if (codeOf(error) !== '23505') throw error;
    throw new Problem(409, 'role_assigned', 'They have this role already.');
  }
}

export const readRoleAssignments = (tx: Tx): Promise<RoleRow[]> =>
  rowsOf(tx, `select ${COLUMNS} from role_assignments order by created_at, id limit 1000`);

export async function deleteRole(tx: Tx, id: string): Promise<RoleRow | undefined> {
  const [row] = await rowsOf<RoleRow>(tx, `delete from role_assignments where id = $1 returning ${COLUMNS}`, [id]);
  return row;
}

export interface Candidate {
  providerId: string;
  userId: string;
  /** One that is proved to be theirs. */
  email: string | null;
  /** `<organization id>/<role>` */
  organizationRoles: string[];
}

/** What somebody is at the portal besides a person; within their own provider alone. */
export async function readRoles(tx: Tx, candidate: Candidate): Promise<AssignableRole[]> {
  const rows = await rowsOf<{ role: AssignableRole }>(
    tx,
    `select distinct role from role_assignments
     where provider_id = $1 and ((kind = 'user' and value = $2) or (kind = 'email' and value = $3)
       or (kind = 'organization_role' and value = any($4)))`,
    [candidate.providerId, candidate.userId, candidate.email?.toLowerCase() ?? null, candidate.organizationRoles],
  );
  return rows.map(({ role }) => role);
}
