import { Alert, Button, Group, Modal, Paper, Select, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { api, ApiProblem, PORTAL } from '../api.js';
import { Icon } from '../icons.js';
import { useGet, useSend, useSession } from '../queries.js';
import type { Page } from '../types.js';
import { Answered, type Column, CopyLine, Empty, Id, PageHead, Refusal, Section, Status, Table, When } from '../ui.js';

interface ApiKey {
  id: string;
  name: string;
  role: string;
  created_at: string;
  created_by: string | null;
  last_used_at: string | null;
  revoked_at: string | null;
}

interface PortalSession {
  id: string;
  name: string;
  role: string;
  created_at: string;
  last_used_at: string | null;
  expires_at: string | null;
}

const KEYS = `${PORTAL}/api-keys`;
const SESSIONS = `${PORTAL}/sessions`;

export function PortalAccess() {
  const keys = useGet<Page<ApiKey>>(KEYS);
  const sessions = useGet<Page<PortalSession>>(SESSIONS, { every: 15_000 });
  const mayChange = useSession().data?.role === 'administrator';
  const [making, setMaking] = useState(false);
  const [revoking, setRevoking] = useState<ApiKey>();
  const end = useSend((id: string) => api('DELETE', `${SESSIONS}/${encodeURIComponent(id)}`), [SESSIONS]);
  const keyColumns: Column<ApiKey>[] = [
    { title: 'Name', cell: ({ name }) => <b>{name}</b> },
    { title: 'Role', cell: ({ role }) => <Status of={role} />, narrow: true },
    {
      title: 'Made',
      cell: ({ created_at, created_by }) => (
        <>
          <When at={created_at} />
          {created_by ? ` by ${created_by}` : ''}
        </>
      ),
    },
    { title: 'Last used', cell: ({ last_used_at }) => <When at={last_used_at} never="never" />, narrow: true },
    { title: 'Status', cell: ({ revoked_at }) => <Status of={revoked_at ? 'revoked' : 'active'} />, narrow: true },
    ...(mayChange
      ? [
          {
            title: '',
            narrow: true,
            cell: (key: ApiKey) =>
              key.revoked_at ? null : (
                <Button size="xs" variant="default" onClick={() => setRevoking(key)}>
                  Revoke…
                </Button>
              ),
          },
        ]
      : []),
  ];
  const sessionColumns: Column<PortalSession>[] = [
    { title: 'Who', cell: ({ name }) => <b>{name}</b> },
    { title: 'Role', cell: ({ role }) => <Status of={role} />, narrow: true },
    { title: 'Since', cell: ({ created_at }) => <When at={created_at} />, narrow: true },
    { title: 'Last seen', cell: ({ last_used_at }) => <When at={last_used_at} />, narrow: true },
    { title: 'Until', cell: ({ expires_at }) => <When at={expires_at} />, narrow: true },
    { title: 'Id', cell: ({ id }) => <Id id={id} />, narrow: true },
    ...(mayChange
      ? [
          {
            title: '',
            narrow: true,
            cell: ({ id }: PortalSession) => (
              <Button size="xs" variant="default" onClick={() => end.mutate(id)}>
                End
              </Button>
            ),
          },
        ]
      : []),
  ];
  return (
    <>
      <PageHead
        title="Portal access"
        lead="Who may look, and who may change something: API keys for services and people, and the sessions that are open right now."
        actions={
          mayChange ? (
            <Button leftSection={<Icon name="plus" size={15} />} onClick={() => setMaking(true)}>
              New API key
            </Button>
          ) : undefined
        }
      />
      <Section title="API keys">
        <Paper>
          <Answered query={keys}>
            {({ data }) =>
              data.length === 0 ? (
                <Empty icon="key" title="No API keys were made here">
                  Those of the installation’s settings (RESCIND_API_KEYS) are not listed.
                </Empty>
              ) : (
                <Table label="API keys" rows={data} columns={keyColumns} keyOf={({ id }) => id} />
              )
            }
          </Answered>
        </Paper>
      </Section>
      <Section title="Sessions">
        <Refusal error={end.error} />
        <Paper>
          <Answered query={sessions}>
            {({ data }) => <Table label="Sessions" rows={data} columns={sessionColumns} keyOf={({ id }) => id} />}
          </Answered>
        </Paper>
      </Section>
      {making && <NewKey close={() => setMaking(false)} />}
      {revoking && <RevokeKey apiKey={revoking} close={() => setRevoking(undefined)} />}
    </>
  );
}

function NewKey({ close }: { close: () => void }) {
  const [name, setName] = useState('');
  const [role, setRole] = useState<string | null>('auditor');
  const make = useSend(
    () => api<{ api_key?: string; key?: string; secret?: string }>('POST', KEYS, { name: name.trim(), role }),
    [KEYS],
  );
  const problem = make.error instanceof ApiProblem ? make.error : undefined;
  if (make.data) {
    return (
      <Modal opened onClose={close} title={`The key of ${name}`} closeOnClickOutside={false} closeOnEscape={false}>
        <Stack>
          <Alert color="orange" icon={<Icon name="alert" />}>
            It is shown this once. Only its digest is kept.
          </Alert>
          <CopyLine text={(make.data.api_key ?? make.data.key ?? make.data.secret)!} what="the API key" />
          <Button onClick={close}>I have it</Button>
        </Stack>
      </Modal>
    );
  }
  return (
    <Modal opened onClose={close} title="New API key">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate();
        }}
      >
        <Stack>
          <TextInput
            label="Name"
            description="Stands in the audit beside everything that is done with it."
            value={name}
            onChange={({ currentTarget }) => setName(currentTarget.value)}
            error={problem?.field('name')}
            required
            data-autofocus
          />
          <Select
            label="Role"
            data={[
              { value: 'auditor', label: 'auditor: sees everything, changes nothing' },
              { value: 'administrator', label: 'administrator: may do everything' },
            ]}
            value={role}
            onChange={setRole}
            allowDeselect={false}
          />
          {problem && !problem.field('name') && <Refusal error={make.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={make.isPending} disabled={name.trim() === ''}>
              Make it
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function RevokeKey({ apiKey, close }: { apiKey: ApiKey; close: () => void }) {
  const revoke = useSend(() => api('DELETE', `${KEYS}/${encodeURIComponent(apiKey.id)}`), [KEYS, SESSIONS]);
  return (
    <Modal opened onClose={close} title={`Revoke the key of ${apiKey.name}`}>
      <Stack>
        <Text size="sm">Whoever uses it is refused from now on, and the sessions that began with it end.</Text>
        <Refusal error={revoke.error} />
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button
            color="red.9"
            loading={revoke.isPending}
            onClick={() => revoke.mutate(undefined, { onSuccess: close })}
          >
            Revoke
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
