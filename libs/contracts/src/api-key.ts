/**
 * What an API key may do. administrator: everything; auditor: read everything; verify: judge tokens and check access;
 * grants:write: make, read and revoke grants.
 */
export const API_KEY_SCOPES = ['administrator', 'auditor', 'verify', 'grants:write'] as const;
export type ApiKeyScope = (typeof API_KEY_SCOPES)[number];
