import { Alert, Button, Group, MultiSelect, Paper, Select, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { ApiProblem, call, PORTAL } from '../api.js';
import { Ask, Done, OfProvider } from '../ask.js';
import { doing, moment, PROVIDER } from '../columns.js';
import { Icon } from '../icons.js';
import { useGet, useProviders, useSend, useSession } from '../queries.js';
import type { ApiKey, RoleAssignment } from '../types.js';
import { Answered, type Column, CopyLine, Empty, PageHead, Refusal, Section, Status, Table, When, Who } from '../ui.js';

const KEYS = `${PORTAL}/api-keys`;
const ROLES = `${PORTAL}/role-assignments`;

type Doing = { what: 'new-key' } | { what: 'new-role' } | { what: 'revoke'; key: ApiKey };

export function PortalAccess() {
  const mayChange = useSession().data?.role === 'administrator';
  const [doing, setDoing] = useState<Doing>();
  const close = (): void => setDoing(undefined);
  return (
    <>
      <PageHead
        title="Portal access"
        lead="Who may look, and who may change something: API keys for services and people, and the roles of those who sign in with AuthKit."
      />
      <Section
        title="API keys"
        actions={mayChange && <Add label="New API key" onClick={() => setDoing({ what: 'new-key' })} />}
      >
        <Paper>
          <Keys {...(mayChange ? { revoke: (key) => setDoing({ what: 'revoke', key }) } : {})} />
        </Paper>
      </Section>
      <Section
        title="Roles"
        actions={mayChange && <Add label="Give a role" onClick={() => setDoing({ what: 'new-role' })} />}
      >
        <Text size="sm" c="dimmed" mb="xs">
          Whoever signs in with AuthKit sees their own access; these see more. They have their role from their next
          request on.
        </Text>
        <Paper>
          <Roles mayChange={mayChange} />
        </Paper>
      </Section>
      {doing?.what === 'new-key' && <NewKey close={close} />}
      {doing?.what === 'new-role' && <NewRole close={close} />}
      {doing?.what === 'revoke' && <RevokeKey apiKey={doing.key} close={close} />}
    </>
  );
}

const Add = ({ label, onClick }: { label: string; onClick: () => void }) => (
  <Button size="xs" leftSection={<Icon name="plus" size={14} />} onClick={onClick}>
    {label}
  </Button>
);

function Keys({ revoke }: { revoke?: (key: ApiKey) => void }) {
  const keys = useGet('GET /v1/api-keys', {});
  const columns: Column<ApiKey>[] = [
    { title: 'Name', cell: ({ name }) => <b>{name}</b> },
    {
      title: 'May',
      cell: ({ scopes }) => (
        <Group gap={4}>
          {scopes.map((scope) => (
            <Status key={scope} of={scope} />
          ))}
        </Group>
      ),
    },
    {
      title: 'Made',
      cell: ({ created_at, created_by }) => (
        <>
          <When at={created_at} /> by <Who name={created_by} />
        </>
      ),
    },
    moment('Last used', 'last_used_at', 'never'),
    { title: 'Status', cell: ({ revoked_at }) => <Status of={revoked_at ? 'revoked' : 'active'} />, narrow: true },
    ...doing(revoke !== undefined, (key: ApiKey) =>
      key.revoked_at ? null : (
        <Button size="xs" variant="default" onClick={() => revoke?.(key)} aria-label={`Revoke ${key.name}`}>
          Revoke…
        </Button>
      ),
    ),
  ];
  return (
    <Answered query={keys}>
      {({ data }) =>
        data.length === 0 ? (
          <Empty icon="key" title="No API keys were made here">
            Those of the installation’s settings (RESCIND_API_KEYS) are not listed.
          </Empty>
        ) : (
          <Table label="API keys" rows={data} columns={columns} keyOf={({ id }) => id} />
        )
      }
    </Answered>
  );
}

const KINDS = [
  { value: 'email', label: 'a verified address' },
  { value: 'user', label: 'one user' },
  { value: 'organization_role', label: 'a role in an organization' },
];

function Roles({ mayChange }: { mayChange: boolean }) {
  const roles = useGet('GET /v1/role-assignments', {});
  const withdraw = useSend((id: string) => call('DELETE /v1/role-assignments/{id}', { path: { id } }), [ROLES]);
  const columns: Column<RoleAssignment>[] = [
    {
      title: 'Who',
      cell: ({ value }) => (
        <b>
          <Who name={value} />
        </b>
      ),
    },
    { title: 'By', cell: ({ kind }) => KINDS.find(({ value }) => value === kind)?.label ?? kind },
    { title: 'Role', cell: ({ role }) => <Status of={role} />, narrow: true },
    PROVIDER,
    {
      title: 'Given',
      cell: ({ created_at, created_by }) => (
        <>
          <When at={created_at} /> by <Who name={created_by} />
        </>
      ),
    },
    ...doing(mayChange, ({ id, value }: RoleAssignment) => (
      <Button size="xs" variant="default" onClick={() => withdraw.mutate(id)} aria-label={`Withdraw from ${value}`}>
        Withdraw
      </Button>
    )),
  ];
  return (
    <>
      <Refusal error={withdraw.error} />
      <Answered query={roles}>
        {({ data }) =>
          data.length === 0 ? (
            <Empty icon="users" title="Nobody has a role yet">
              Whoever signs in with AuthKit sees their own access and nothing else.
            </Empty>
          ) : (
            <Table label="Roles" rows={data} columns={columns} keyOf={({ id }) => id} />
          )
        }
      </Answered>
    </>
  );
}

function NewKey({ close }: { close: () => void }) {
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState<ApiKey['scopes']>([]);
  const make = useSend(() => call('POST /v1/api-keys', { body: { name: name.trim(), scopes } }), [KEYS]);
  const problem = make.error instanceof ApiProblem ? make.error : undefined;
  if (make.data) {
    return (
      <Done title={`The key of ${name}`} button="I have it" isSaidOnce close={close}>
        <Alert color="orange" icon={<Icon name="alert" />}>
          It is shown this once. Only its digest is kept.
        </Alert>
        <CopyLine text={make.data.api_key} what="the API key" />
      </Done>
    );
  }
  return (
    <Ask
      title="New API key"
      button="Make it"
      send={make}
      whenDone={() => undefined}
      isFinal={false}
      isIncomplete={name.trim() === '' || scopes.length === 0}
      error={problem?.field('name') || problem?.field('scopes') ? null : make.error}
      close={close}
    >
      <TextInput
        label="Name"
        description="Stands in the audit beside everything that is done with it."
        value={name}
        onChange={({ currentTarget }) => setName(currentTarget.value)}
        error={problem?.field('name')}
        required
        data-autofocus
      />
      <MultiSelect
        label="What it may do"
        data={[
          { value: 'administrator', label: 'administrator: everything' },
          { value: 'auditor', label: 'auditor: see everything, change nothing' },
          { value: 'verify', label: 'verify: judge tokens and check access; for services' },
          { value: 'grants:write', label: 'grants:write: make, read and revoke grants; for services' },
        ]}
        value={scopes}
        onChange={(chosen) => setScopes(chosen as ApiKey['scopes'])}
        error={problem?.field('scopes')}
        required
      />
    </Ask>
  );
}

const EXAMPLE: Record<string, string> = {
  email: 'ada@example.com',
  user: 'user_01…',
  organization_role: 'org_01…/admin',
};

function NewRole({ close }: { close: () => void }) {
  const providers = useProviders().data?.data ?? [];
  const [provider, setProvider] = useState<string | null>(null);
  const [role, setRole] = useState<RoleAssignment['role']>('auditor');
  const [kind, setKind] = useState<RoleAssignment['kind']>('email');
  const [value, setValue] = useState('');
  const provider_id = provider ?? providers[0]?.id;
  const give = useSend(
    () => call('POST /v1/role-assignments', { body: { role, provider_id: provider_id!, kind, value: value.trim() } }),
    [ROLES],
  );
  const problem = give.error instanceof ApiProblem ? give.error : undefined;
  return (
    <Ask
      title="Give a role"
      button="Give it"
      send={give}
      isFinal={false}
      isIncomplete={value.trim() === ''}
      error={problem?.field('value') ? null : give.error}
      close={close}
    >
      <Select
        label="Role"
        data={['administrator', 'auditor']}
        value={role}
        onChange={(chosen) => setRole(chosen as RoleAssignment['role'])}
        allowDeselect={false}
      />
      <OfProvider providers={providers} id={provider_id} setId={setProvider} />
      <Select
        label="Whoever has"
        data={KINDS}
        value={kind}
        onChange={(chosen) => setKind(chosen as RoleAssignment['kind'])}
        allowDeselect={false}
      />
      <TextInput
        label="Which one"
        placeholder={EXAMPLE[kind]}
        value={value}
        onChange={({ currentTarget }) => setValue(currentTarget.value)}
        error={problem?.field('value')}
        required
        data-autofocus
      />
    </Ask>
  );
}

function RevokeKey({ apiKey, close }: { apiKey: ApiKey; close: () => void }) {
  const revoke = useSend(() => call('DELETE /v1/api-keys/{id}', { path: { id: apiKey.id } }), [KEYS]);
  return (
    <Ask title={`Revoke the key of ${apiKey.name}`} button="Revoke" send={revoke} close={close}>
      <Text size="sm">Whoever uses it is refused from now on, and the sessions that began with it end.</Text>
    </Ask>
  );
}
