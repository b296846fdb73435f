import { rowsOf, type Tx } from '#platform/sql.js';

export interface DeviceRow {
  id: string;
  user_code: string;
  client_name: string;
  code_challenge: string;
  decided: boolean;
  /** Sealed. */
  result: string | null;
  /** Since it asked last, ms. */
  polled_ms: number | null;
}

export const DEVICE_MINUTES = 10;
const LIVE = `created_at > clock_timestamp() - interval '${DEVICE_MINUTES} minutes'`;

/** Answers false where too many wait already. */
export async function insertDevice(
  tx: Tx,
  device: {
    id: string;
    deviceSha256: string;
    userCode: string;
    providerId: string;
    codeChallenge: string;
    clientName: string;
  },
  most: number,
): Promise<boolean> {
  await tx.query(`delete from device_sign_ins where not (${LIVE})`);
  const rows = await rowsOf(
    tx,
    `insert into device_sign_ins (id, device_sha256, user_code, provider_id, code_challenge, client_name)
     select $1, $2, $3, $4, $5, $6 where (select count(*) from device_sign_ins) < $7 returning id`,
    [device.id, device.deviceSha256, device.userCode, device.providerId, device.codeChallenge, device.clientName, most],
  );
  return rows.length > 0;
}

/** One that waits for a person. */
export async function readWaiting(
  tx: Tx,
  providerId: string,
  userCode: string,
): Promise<{ id: string; user_code: string; client_name: string } | undefined> {
  if (providerId.includes('\0')) return undefined; // nobody's
  const [row] = await rowsOf<{ id: string; user_code: string; client_name: string }>(
    tx,
    `select id, user_code, client_name from device_sign_ins
     where provider_id = $1 and user_code = $2 and decided_at is null and ${LIVE}`,
    [providerId, userCode],
  );
  return row;
}

/** Once; answers whether it was waiting. */
export async function decideDevice(tx: Tx, id: string, result: string | null): Promise<boolean> {
  const rows = await rowsOf(
    tx,
    `update device_sign_ins set decided_at = clock_timestamp(), result = $2
     where id = $1 and decided_at is null and ${LIVE} returning id`,
    [id, result],
  );
  return rows.length > 0;
}

/** Notes that it asked. */
export async function pollDevice(tx: Tx, providerId: string, deviceSha256: string): Promise<DeviceRow | undefined> {
  if (providerId.includes('\0')) return undefined; // nobody's
  const [row] = await rowsOf<DeviceRow>(
    tx,
    `select id, user_code, client_name, code_challenge, decided_at is not null as decided, result,
       extract(epoch from clock_timestamp() - polled_at)::float8 * 1000 as polled_ms
     from device_sign_ins where provider_id = $1 and device_sha256 = $2 and ${LIVE} for update`,
    [providerId, deviceSha256],
  );
  if (row) await tx.query('update device_sign_ins set polled_at = clock_timestamp() where id = $1', [row.id]);
  return row;
}

export async function deleteDevice(tx: Tx, id: string): Promise<void> {
  await tx.query('delete from device_sign_ins where id = $1', [id]);
}
