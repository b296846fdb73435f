/** The `type` of records that are also read without zod: by `@rescind/client`. */
export const REVOCATION_TYPE = 'io.rescind.revocation.v1';
export const SCOPE_STATE_TYPE = 'io.rescind.revocation-state.v1';
export const HEARTBEAT_TYPE = 'io.rescind.revocation-state.heartbeat.v1';
