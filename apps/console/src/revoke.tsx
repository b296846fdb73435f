import { Alert, List as Bullets, Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import { call, GRANTS } from './api.js';
import { Ask, Done, InWords } from './ask.js';
import { Icon } from './icons.js';
import { useSend } from './queries.js';
import { count, Refusal, shortId, Waiting } from './ui.js';

export interface Whose {
  provider_id?: string | undefined;
  user_id?: string | undefined;
  organization_id?: string | undefined;
  session_id?: string | undefined;
}

const inWords = ({ user_id, organization_id, session_id }: Whose): string => {
  const within = organization_id ? ` within the organization ${shortId(organization_id)}` : '';
  if (session_id) return ` of the session ${shortId(session_id)}`;
  return user_id ? ` of the user ${shortId(user_id)}${within}` : within;
};

/** Closes a scope by hand; first it is said what that would end (`dry_run`). */
export function RevokeScope({ whose, close }: { whose: Whose; close: () => void }) {
  const [reason, setReason] = useState('');
  const ask = (dry_run: boolean, words: string) =>
    call('POST /api/grants/v1/revocations', { body: { ...whose, reason: words, dry_run } });
  const preview = useSend(() => ask(true, 'preview'));
  const revoke = useSend(() => ask(false, reason.trim()), [GRANTS]);
  const { mutate: look } = preview;
  useEffect(() => look(), [look]);
  const ends = preview.data?.revoked_grants;

  if (revoke.data) {
    return (
      <Done title="Revoked" close={close}>
        <Alert color="teal" icon={<Icon name="check" />}>
          {grantsEnded(revoke.data.revoked_grants)} ended. Tokens that were issued until now are refused.
        </Alert>
      </Done>
    );
  }
  return (
    <Ask
      title={`Revoke all access${inWords(whose)}`}
      button="Revoke now"
      send={revoke}
      whenDone={() => undefined}
      isIncomplete={reason.trim() === '' || !preview.data}
      size="lg"
      close={close}
    >
      {preview.isPending && <Waiting>Looking at what that would end…</Waiting>}
      <Refusal error={preview.error} />
      {ends !== undefined && (
        <Alert color={ends > 0 ? 'orange' : 'gray'} icon={<Icon name="eye" />} title={`${grantsEnded(ends)} would end`}>
          <Text size="sm">
            Nothing has been changed so far. Every token that was issued until now is refused as well.
          </Text>
          {preview.data!.grant_ids.length > 0 && (
            <Bullets size="sm" mt="xs" className="mono">
              {preview.data!.grant_ids.slice(0, 8).map((id) => (
                <Bullets.Item key={id}>{id}</Bullets.Item>
              ))}
              {ends > 8 && <Bullets.Item>and {count(ends - 8)} more</Bullets.Item>}
            </Bullets>
          )}
        </Alert>
      )}
      <InWords
        description="Stands on each grant, in the audit, and in what downstream services are told."
        placeholder="laptop stolen"
        words={reason}
        setWords={setReason}
      />
    </Ask>
  );
}

const grantsEnded = (n: number): string => (n === 1 ? 'One active grant' : `${count(n)} active grants`);

/** Some grants, one by one: nothing else of these people ends. */
export function RevokeGrants({ ids, close }: { ids: readonly string[]; close: () => void }) {
  const [reason, setReason] = useState('');
  const revoke = useSend(async () => {
    for (const id of ids)
      await call('POST /api/grants/v1/grants/{id}/revoke', { path: { id }, body: { reason: reason.trim() } });
    return ids.length;
  }, [GRANTS]);
  return (
    <Ask
      title={ids.length === 1 ? 'Revoke this grant' : `Revoke ${count(ids.length)} grants`}
      button="Revoke"
      send={revoke}
      isIncomplete={reason.trim() === ''}
      close={close}
    >
      <Text size="sm">
        This is final. Other access of the same people stays, and so do their tokens; to end all of somebody’s access
        open their page.
      </Text>
      <InWords placeholder="not needed any more" words={reason} setWords={setReason} />
    </Ask>
  );
}
