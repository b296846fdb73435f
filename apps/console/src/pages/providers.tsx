import { Alert, Badge, Button, Group, NumberInput, Paper, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { ApiProblem, call, PORTAL } from '../api.js';
import { Ask, TypedName } from '../ask.js';
import { moment } from '../columns.js';
import { Icon } from '../icons.js';
import { To, ToButton } from '../links.js';
import { useGet, useProviders, useSend, useSession } from '../queries.js';
import type { Provider, RemapPreview } from '../types.js';
import {
  Answered,
  type Column,
  count,
  Empty,
  Id,
  many,
  ms,
  PageHead,
  Refusal,
  Section,
  Status,
  Table,
  When,
} from '../ui.js';
import { CheckList } from './check-list.js';
import { SignInPanel } from './sign-in-panel.js';
import { WebhookPanel } from './webhook.js';

const COLUMNS: Column<Provider>[] = [
  {
    title: 'Name',
    cell: ({ id, name }) => (
      <To to="/providers/$providerId" params={{ providerId: id }} size="sm" fw={600}>
        {name}
      </To>
    ),
  },
  { title: 'Kind', cell: ({ kind }) => (kind === 'workos' ? 'WorkOS' : 'OpenID Connect'), narrow: true },
  { title: 'Issuer', cell: ({ issuers }) => <span className="mono">{issuers.join(', ')}</span> },
  {
    title: 'Webhooks',
    cell: ({ webhook_enabled }) => (
      <Status of={webhook_enabled ? 'active' : 'waiting'}>{webhook_enabled ? 'enabled' : 'not yet'}</Status>
    ),
    narrow: true,
  },
  { title: 'Mode', cell: ({ mode }) => <Status of={mode} />, narrow: true },
  {
    title: 'Services',
    cell: ({ published, version }) => (
      <Status of={published ? 'active' : 'waiting'}>{published ? `version ${version}` : 'on its way'}</Status>
    ),
    narrow: true,
  },
  moment('Changed', 'updated_at'),
];

export function Providers() {
  const providers = useProviders();
  const mayChange = useSession().data?.role === 'administrator';
  return (
    <>
      <PageHead
        title="Identity providers"
        lead="Who signs the tokens, and who sends the webhooks."
        actions={
          mayChange ? (
            <ToButton to="/providers/new" leftSection={<Icon name="plus" size={15} />}>
              Add one
            </ToButton>
          ) : undefined
        }
      />
      <Paper>
        <Answered query={providers}>
          {({ data }) =>
            data.length === 0 ? (
              <Empty icon="plug" title="None yet">
                Until there is one every token is of an unknown issuer, and refused.
              </Empty>
            ) : (
              <Table label="Identity providers" rows={data} columns={COLUMNS} keyOf={({ id }) => id} />
            )
          }
        </Answered>
      </Paper>
    </>
  );
}

export function ProviderPage() {
  const { providerId } = useParams({ from: '/providers/$providerId' });
  const provider = useGet('GET /v1/identity-providers/{id}', { path: { id: providerId } }, { every: 5_000 });
  return (
    <>
      {!provider.data && <PageHead title="Identity provider" lead={<Id id={providerId} />} />}
      <Answered query={provider}>{(data) => <Details provider={data} />}</Answered>
    </>
  );
}

function Details({ provider }: { provider: Provider }) {
  const mayChange = useSession().data?.role === 'administrator' && !provider.declared;
  const [changing, setChanging] = useState<'claim' | 'guard' | 'delete'>();
  const close = (): void => setChanging(undefined);
  return (
    <>
      <PageHead
        title={provider.name}
        lead={<Id id={provider.id} />}
        actions={
          <ToButton to="/providers/$providerId/set-up" params={{ providerId: provider.id }} variant="default">
            Set-up, step by step
          </ToButton>
        }
      />
      <Stack gap="sm" hidden={!provider.declared && provider.warnings.length === 0}>
        {provider.declared && (
          <Alert color="gray" icon={<Icon name="scroll" />}>
            It stands in the providers file, and is changed there.
          </Alert>
        )}
        {provider.warnings.map(({ code, message }) => (
          <Alert key={code} color="yellow" icon={<Icon name="alert" />}>
            {message}
          </Alert>
        ))}
      </Stack>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Section title="Verified end to end">
          <Paper p="md">
            <CheckList provider={provider} />
          </Paper>
        </Section>
        <Section title="Tokens">
          <Paper p="md">
            <Settings provider={provider} />
            {mayChange && (
              <Group mt="md" gap="xs">
                <Button size="xs" variant="default" onClick={() => setChanging('claim')}>
                  Change the group claim…
                </Button>
                <Button size="xs" variant="default" onClick={() => setChanging('guard')}>
                  Guard limits…
                </Button>
              </Group>
            )}
          </Paper>
        </Section>
      </SimpleGrid>
      <Section title="Webhooks">
        <Paper p="lg">
          <WebhookPanel provider={provider} />
        </Paper>
      </Section>
      <Section title="Sign-in">
        <Paper p="lg">
          <SignInPanel key={provider.client_id} provider={provider} />
        </Paper>
      </Section>
      {mayChange && (
        <Section title="Delete">
          <Paper p="lg">
            <Group justify="space-between">
              <Text size="sm" maw={620}>
                Its tokens are of an unknown issuer from then on, its webhooks go nowhere, its secrets are gone. What is
                known of its people stays.
              </Text>
              <Button color="red" variant="light" onClick={() => setChanging('delete')}>
                Delete…
              </Button>
            </Group>
          </Paper>
        </Section>
      )}
      {changing === 'claim' && <GroupClaim provider={provider} close={close} />}
      {changing === 'guard' && <GuardLimits provider={provider} close={close} />}
      {changing === 'delete' && <Delete provider={provider} close={close} />}
    </>
  );
}

const POLICY = {
  required: 'must be there and match',
  if_present: 'must match where it is there',
  bound_by_keys: 'the keys say whose it is',
};

function Settings({ provider }: { provider: Provider }) {
  const { claim_mappings: claims, guard } = provider;
  return (
    <dl className="facts">
      <dt>Issuers</dt>
      <dd className="mono">{provider.issuers.join(', ')}</dd>
      <dt>Keys</dt>
      <dd>
        <span className="mono">{provider.jwks_uri ?? '—'}</span>{' '}
        <Badge color="gray">{provider.jwks_uri_source.replaceAll('_', ' ')}</Badge>
      </dd>
      <dt>Client ID</dt>
      <dd className="mono">{provider.client_id ?? '—'}</dd>
      <dt>Audience</dt>
      <dd>
        <span className="mono">{provider.audience.join(', ') || '—'}</span>: {POLICY[provider.audience_policy]}
      </dd>
      <dt>Algorithms</dt>
      <dd>{provider.algorithms.join(', ')}</dd>
      <dt>Claims</dt>
      <dd>
        user <span className="mono">{claims.user_id}</span>, organization{' '}
        <span className="mono">{claims.organization_id}</span>, session{' '}
        <span className="mono">{claims.session_id}</span>
      </dd>
      <dt>Required</dt>
      <dd className="mono">{provider.required_claims.join(', ') || '—'}</dd>
      <dt>Mode</dt>
      <dd>
        <Status of={provider.mode} />
      </dd>
      <dt>Guard</dt>
      <dd>{guard?.max_users === 0 ? 'off' : guard ? guardWords(guard) : 'the installation’s default'}</dd>
    </dl>
  );
}

function guardWords({ max_users, max_share, window_seconds }: NonNullable<Provider['guard']>): string {
  const people =
    max_users === undefined
      ? 'more people than the installation says'
      : `more than ${many(max_users, 'person', 'people')}`;
  const share = max_share === undefined ? '' : ` or ${max_share * 100} % of all`;
  const within = window_seconds === undefined ? '' : ` within ${ms(window_seconds * 1_000)}`;
  return `waits for somebody at ${people}${share}${within}`;
}

/** Another group claim moves everybody’s tokens, so whom that affects is said first. */
function GroupClaim({ provider, close }: { provider: Provider; close: () => void }) {
  const confirmed = provider.claim_mappings.organization_id;
  const path = { id: provider.id };
  const [claim, setClaim] = useState(confirmed);
  const [understood, setUnderstood] = useState('');
  const wanted = { claim_mappings: { organization_id: claim.trim() } };
  const preview = useSend(() =>
    call('POST /v1/identity-providers/{id}/claim-mappings/preview', { path, body: wanted }),
  );
  const change = useSend(
    () =>
      call('PATCH /v1/identity-providers/{id}', {
        path,
        body: { ...wanted, confirm_claim_mappings: true, confirm_remap: true },
      }),
    [`${PORTAL}/identity-providers`],
  );
  const isOther = claim.trim() !== '' && claim.trim() !== confirmed;
  return (
    <Ask
      title="Change the group claim"
      button="Change it"
      send={change}
      isIncomplete={!isOther || understood !== provider.name}
      size="lg"
      close={close}
    >
      <TextInput
        label="The claim that names the organization"
        value={claim}
        onChange={({ currentTarget }) => {
          setClaim(currentTarget.value);
          preview.reset();
        }}
        data-autofocus
      />
      <Group>
        <Button
          size="xs"
          variant="default"
          disabled={!isOther}
          loading={preview.isPending}
          onClick={() => preview.mutate()}
        >
          Whom does it affect?
        </Button>
      </Group>
      <Refusal error={preview.error} />
      {preview.data && <Preview of={preview.data} />}
      <Alert color="orange" icon={<Icon name="alert" />}>
        From then on every token of {provider.name} belongs to what <span className="mono">{claim || '…'}</span> says.
        Access within organizations that are closed under their former ids is judged anew.
      </Alert>
      <TypedName name={provider.name} typed={understood} setTyped={setUnderstood} />
    </Ask>
  );
}

function Preview({ of }: { of: RemapPreview }) {
  const { affected, tokens, changes, complete, known_since, examples } = of;
  return (
    <Alert color="gray" icon={<Icon name="eye" />} title={`${many(affected.users, 'person', 'people')} who signed in`}>
      <Stack gap={6}>
        {changes.map(({ claim, consequence }) => (
          <Text size="sm" key={claim}>
            {consequence}
          </Text>
        ))}
        <Text size="sm">
          Of their newest tokens {many(tokens.with_claims, 'has', 'have')} the new claim,{' '}
          <b>{many(tokens.without_claims, 'lacks', 'lack')} it</b>
          {tokens.unknown > 0 && `, of ${count(tokens.unknown)} it is not known`}. They are within{' '}
          {many(affected.organizations, 'organization', 'organizations')}.
        </Text>
        {examples.some(({ new_claims }) => new_claims === 'missing') && (
          <Text size="xs" c="dimmed" className="mono">
            without it:{' '}
            {examples
              .filter(({ new_claims }) => new_claims === 'missing')
              .map(({ user_id }) => user_id)
              .join(', ')}
          </Text>
        )}
        <Text size="xs" c="dimmed" component="div">
          Sign-ins since <When at={known_since} never="none" />
          {!complete && '; not all could be read in time, so these are at least so many'}.
        </Text>
      </Stack>
    </Alert>
  );
}

function GuardLimits({ provider, close }: { provider: Provider; close: () => void }) {
  const { guard } = provider;
  const [users, setUsers] = useState<string | number>(guard?.max_users ?? '');
  const [share, setShare] = useState<string | number>(guard?.max_share === undefined ? '' : guard.max_share * 100);
  const [seconds, setSeconds] = useState<string | number>(guard?.window_seconds ?? '');
  const keep = useSend(() => {
    const limits = {
      ...(users === '' ? {} : { max_users: Number(users) }),
      ...(share === '' ? {} : { max_share: Number(share) / 100 }),
      ...(seconds === '' ? {} : { window_seconds: Number(seconds) }),
    };
    return call('PATCH /v1/identity-providers/{id}', {
      path: { id: provider.id },
      body: { guard: Object.keys(limits).length > 0 ? limits : null },
    });
  }, [`${PORTAL}/identity-providers`]);
  const problem = keep.error instanceof ApiProblem ? keep.error : undefined;
  return (
    <Ask title="Guard limits" button="Keep" send={keep} isFinal={false} close={close}>
      <Text size="sm">
        More people than this shut out within the window, and their grants wait for somebody to confirm. They are
        refused all the same. What is left empty has the installation’s default.
      </Text>
      <NumberInput
        label="People"
        description="0: no guard"
        min={0}
        value={users}
        onChange={setUsers}
        error={problem?.field('guard.max_users')}
      />
      <NumberInput
        label="Share of all, %"
        min={0.1}
        max={100}
        value={share}
        onChange={setShare}
        error={problem?.field('guard.max_share')}
      />
      <NumberInput
        label="Window, seconds"
        min={1}
        max={86_400}
        value={seconds}
        onChange={setSeconds}
        error={problem?.field('guard.window_seconds')}
      />
    </Ask>
  );
}

function Delete({ provider, close }: { provider: Provider; close: () => void }) {
  const navigate = useNavigate();
  const [typed, setTyped] = useState('');
  const remove = useSend(async () => {
    await call('DELETE /v1/identity-providers/{id}', { path: { id: provider.id } });
    // Away from its page before that finds it gone, and this question with it.
    await navigate({ to: '/providers' });
  }, [PORTAL]);
  return (
    <Ask
      title={`Delete ${provider.name}`}
      button="Delete"
      send={remove}
      isIncomplete={typed !== provider.name}
      close={close}
    >
      <Text size="sm">
        Its tokens are refused and its webhooks not taken in. Added again it is another provider, which knows nothing of
        what was revoked here: change it in place where you only want other settings.
      </Text>
      <TypedName name={provider.name} typed={typed} setTyped={setTyped} />
    </Ask>
  );
}
