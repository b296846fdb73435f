/** What to subscribe to in WorkOS, and why; whatever else is sent is kept and has no effect. */
export const RECOMMENDED_EVENTS = [
  { event: 'user.deleted', why: 'The person is gone: all access ends, for ever.' },
  {
    event: 'organization_membership.updated',
    why: 'This, not the deletion, is what offboarding in a company’s directory emits: the membership becomes inactive.',
  },
  { event: 'organization_membership.deleted', why: 'The person has left the organization.' },
  { event: 'organization_membership.created', why: 'The person is in the organization, perhaps again.' },
  { event: 'organization.deleted', why: 'All access within the organization ends.' },
  { event: 'session.revoked', why: 'A sign-in was ended: its tokens are refused at once.' },
  { event: 'user.updated', why: 'Names and addresses stay right; a suspension mark in the metadata takes effect.' },
  { event: 'user.created', why: 'People are known before they first sign in.' },
  { event: 'organization.created', why: 'Organizations have their names.' },
  { event: 'organization.updated', why: 'Organizations keep their names.' },
  { event: 'session.created', why: 'Sessions are listed on a person’s page.' },
] as const;
