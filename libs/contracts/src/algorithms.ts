/** Signature algorithms that may be allowed (RFC 7518, RFC 8037). `none` and HMAC are not among them on purpose. */
export const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA'] as const;
