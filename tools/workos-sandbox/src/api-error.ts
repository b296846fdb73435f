/** An answer that is not the one asked for, in the shape WorkOS gives it. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly status: number,
    readonly body: Record<string, unknown>,
  ) {
    super(JSON.stringify(body));
  }
}

export const refused = (status: number, code: string, message: string, more: object = {}): ApiError =>
  new ApiError(status, { code, message, ...more });

/** OAuth's shape (RFC 6749 section 5.2), which the token endpoint uses for grants and malformed requests. */
export const oauthError = (status: number, error: string, description: string): ApiError =>
  new ApiError(status, { error, error_description: description });

export const invalidGrant = (description: string): ApiError => oauthError(400, 'invalid_grant', description);

export const notFound = (kind: string, id: string): ApiError =>
  refused(404, 'entity_not_found', `${kind} not found: '${id}'.`, { entity_id: id });

export interface FieldError {
  field: string;
  code: string;
  message: string;
}

export const invalidParameters = (errors: FieldError[]): ApiError =>
  refused(422, 'invalid_request_parameters', 'Validation failed', { errors });
