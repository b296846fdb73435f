type Claims = Readonly<Record<string, unknown>>;

/** Something stands where the path leads, but not one thing that the path could mean. It is no id. */
export const NOT_ONE = Symbol('not one');

/**
 * The claim that a mapping names: the claim of just that name (`org_id`, `https://example.com/org`), else the path to one
 * further in (`o.id`), where `*` is the only member of an object or list (`organization.*`). Undefined where there is none;
 * {@link NOT_ONE} where `*` stands for several, or where a text stands in the way: whoever has it must not read that as none.
 */
export function claimAt(claims: Claims, mapping: string): unknown {
  if (Object.hasOwn(claims, mapping)) return claims[mapping];
  if (!mapping.includes('.')) return undefined;
  let value: unknown = claims;
  for (const step of mapping.split('.')) {
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'object') return NOT_ONE;
    const members = value as Claims;
    if (step === '*') {
      const all = Object.values(members);
      if (all.length > 1) return NOT_ONE;
      value = all[0];
    } else {
      if (Array.isArray(value)) return NOT_ONE;
      value = Object.hasOwn(members, step) ? members[step] : undefined;
    }
  }
  return value;
}
