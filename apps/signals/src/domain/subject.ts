import { isStorableId } from '#contracts/storable.js';
import { keyOf, type Scope, type ScopeKey } from '#revocation/scope.js';

/** Subject identifiers of RFC 9493, and the complex ones of SSF 1.0, section 3: as many as we say or understand. */
export interface IssuerSubject {
  format: 'iss_sub';
  iss: string;
  sub: string;
}
export interface OpaqueSubject {
  format: 'opaque';
  id: string;
}
export interface ComplexSubject {
  format: 'complex';
  user?: IssuerSubject;
  tenant?: OpaqueSubject;
  session?: OpaqueSubject;
}
export type SubjectId = IssuerSubject | OpaqueSubject | ComplexSubject;

const opaque = (id: string): OpaqueSubject => ({ format: 'opaque', id });

/**
 * Who or what a scope is, for the world: a user by the issuer of their tokens and its `sub`; what is more or less than a user
 * as a complex subject.
 */
export function subjectOf(scope: Scope, issuer: string): SubjectId {
  const user = (sub: string): IssuerSubject => ({ format: 'iss_sub', iss: issuer, sub });
  switch (scope.kind) {
    case 'user':
      return user(scope.userId);
    case 'membership':
      return { format: 'complex', user: user(scope.userId), tenant: opaque(scope.organizationId) };
    case 'organization':
      return { format: 'complex', tenant: opaque(scope.organizationId) };
    case 'session':
      return { format: 'complex', session: opaque(scope.sessionId) };
  }
}

/** A subject as somebody else writes it: anything. */
export type GivenSubject = Readonly<Record<string, unknown>>;

/**
 * The scope that a subject means; undefined for one that we could not tell (an e-mail address, a device, an issuer that is not
 * ours). A complex one has to be understood whole: each further member narrows it, and to leave one out would mean more.
 * @param providersOf the providers of an issuer; where there are several it cannot be told which
 */
export function scopeOfSubject(
  subject: GivenSubject,
  providersOf: (issuer: string) => readonly string[],
  onlyProvider?: string,
): Scope | undefined {
  if (subject['format'] === 'complex') return scopeOfComplex(subject, providersOf, onlyProvider);
  const user = issuerSubject(subject, (issuer) => providersOf(issuer).length > 0);
  const providerId = user && only(providersOf(user.iss));
  return providerId === undefined ? undefined : { kind: 'user', providerId, userId: user!.sub };
}

const MEMBERS = new Set(['format', 'user', 'tenant', 'session']);

function scopeOfComplex(
  subject: GivenSubject,
  providersOf: (issuer: string) => readonly string[],
  onlyProvider: string | undefined,
): Scope | undefined {
  if (Object.keys(subject).some((member) => !MEMBERS.has(member))) return undefined;
  const user =
    subject['user'] === undefined
      ? undefined
      : issuerSubject(subject['user'], (issuer) => providersOf(issuer).length > 0);
  if (subject['user'] !== undefined && user === undefined) return undefined;
  const session = idOf(subject['session']);
  const tenant = idOf(subject['tenant']);
  if (session === null || tenant === null) return undefined;
  const providerId = user ? only(providersOf(user.iss)) : onlyProvider;
  if (providerId === undefined) return undefined;
  // A session is the narrowest: whose it is and where adds nothing.
  if (session !== undefined) return { kind: 'session', providerId, sessionId: session };
  if (user && tenant !== undefined) return { kind: 'membership', providerId, userId: user.sub, organizationId: tenant };
  if (user) return { kind: 'user', providerId, userId: user.sub };
  return tenant === undefined ? undefined : { kind: 'organization', providerId, organizationId: tenant };
}

/** Of a tenant or session; undefined: there is none; null: one that cannot be understood. */
function idOf(member: unknown): string | undefined | null {
  if (member === undefined) return undefined;
  const { format, id, sub } = (member ?? {}) as Record<string, unknown>;
  const found = format === 'opaque' ? id : format === 'iss_sub' ? sub : undefined;
  return isStorableId(found) ? found : null;
}

const MOST_ALIASES = 20;

/** Of several names of one subject (`aliases` of RFC 9493) the first that we know. */
function issuerSubject(subject: unknown, isKnown: (issuer: string) => boolean): IssuerSubject | undefined {
  const { format, identifiers } = (subject ?? {}) as Record<string, unknown>;
  const names = format === 'aliases' && Array.isArray(identifiers) ? identifiers.slice(0, MOST_ALIASES) : [subject];
  const found = names.map(oneIssuerSubject).filter((name) => name !== undefined);
  return found.find(({ iss }) => isKnown(iss)) ?? found[0];
}

function oneIssuerSubject(subject: unknown): IssuerSubject | undefined {
  const { format, iss, sub } = (subject ?? {}) as Record<string, unknown>;
  if (format !== 'iss_sub' || typeof iss !== 'string' || !isStorableId(sub)) return undefined;
  return { format, iss, sub };
}

const only = (ids: readonly string[]): string | undefined => (ids.length === 1 ? ids[0] : undefined);

/** Under which a stream remembers a subject that its receiver does not want to hear of. */
export const subjectKey = (scope: Scope): ScopeKey => keyOf(scope);
