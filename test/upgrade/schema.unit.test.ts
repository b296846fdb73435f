import { TOPICS } from '#contracts/topics.js';
import { brokenBy, type Contract } from './schema.js';

const released: Contract = {
  columns: {
    'grants.scopes.key': { type: 'text', mayBeLeftOut: false },
    'grants.scopes.closed_at': { type: 'timestamp with time zone', mayBeLeftOut: true },
  },
  constraints: {
    'grants.scopes.scopes_pkey': { demands: 'PRIMARY KEY (key)', columns: ['grants.scopes.key'] },
  },
  topics: [{ topic: TOPICS.revocationState, compacted: true, retentionMs: -1 }],
};
type Change = (contract: Contract) => void;
const after = (change: Change): string[] => {
  const now = structuredClone(released);
  change(now);
  return brokenBy(released, now);
};

test.each<[string, Change]>([
  ['nothing', () => undefined],
  ['a new table', (now) => (now.columns['grants.new.id'] = { type: 'text', mayBeLeftOut: false })],
  [
    'a new column that may be left out',
    (now) => (now.columns['grants.scopes.n'] = { type: 'text', mayBeLeftOut: true }),
  ],
  [
    'a demand on what is new',
    (now) => {
      now.columns['grants.scopes.n'] = { type: 'text', mayBeLeftOut: true };
      now.constraints['grants.scopes.n'] = { demands: "CHECK (n <> '')", columns: ['grants.scopes.n'] };
    },
  ],
  ['a column that need not be written any more', (now) => (now.columns['grants.scopes.key']!.mayBeLeftOut = true)],
])('%s is no trouble for the release before', (_, change) => expect(after(change)).toEqual([]));

test.each<[string, Change, string]>([
  ['dropped or renamed', (now) => delete now.columns['grants.scopes.closed_at'], 'closed_at is gone'],
  ['of another type', (now) => (now.columns['grants.scopes.key']!.type = 'uuid'), 'is uuid, and was text'],
  ['wanted now', (now) => (now.columns['grants.scopes.closed_at']!.mayBeLeftOut = false), 'must be written now'],
  [
    'new and wanted',
    (now) => (now.columns['grants.scopes.n'] = { type: 'text', mayBeLeftOut: false }),
    'is new, and must be written',
  ],
  [
    'narrowed',
    (now) => (now.constraints['grants.scopes.c'] = { demands: 'CHECK (true)', columns: ['grants.scopes.closed_at'] }),
    'demands: CHECK (true)',
  ],
  ['not unique any more', (now) => delete now.constraints['grants.scopes.scopes_pkey'], 'scopes_pkey is gone'],
  ['a topic less', (now) => (now.topics = []), 'the topic access.revocation-state is gone'],
  ['a topic not compacted', (now) => (now.topics = [{ ...released.topics[0]!, compacted: false }]), 'in another way'],
])('%s is found', (_, change, said) => expect(after(change)).toEqual([expect.stringContaining(said)]));
