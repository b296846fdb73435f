import {
  Alert,
  Badge,
  Button,
  Checkbox,
  Group,
  Paper,
  Radio,
  SimpleGrid,
  Stack,
  Stepper,
  TagsInput,
  Text,
  TextInput,
} from '@mantine/core';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { ApiProblem, call, PORTAL } from '../api.js';
import { Icon } from '../icons.js';
import { ToButton } from '../links.js';
import { useGet, useSend } from '../queries.js';
import type { AudiencePolicy, Discovery } from '../types.js';
import { Answered, PageHead, Refusal, Section } from '../ui.js';
import { CheckList } from './check-list.js';
import { SignInPanel } from './sign-in-panel.js';
import { WebhookPanel } from './webhook.js';

const STEPS = ['issuer', 'webhooks', 'sign-in', 'check'] as const;
const LEAD = 'Who signs your tokens, and who tells us that somebody has left. About three minutes.';

function Steps({ active, go }: { active: number; go?: (step: number) => void }) {
  return (
    <Stepper
      active={active}
      {...(go ? { onStepClick: go } : {})}
      size="sm"
      mb="xl"
      maw={820}
      allowNextStepsSelect={go !== undefined}
    >
      <Stepper.Step label="Issuer" description="Who signs the tokens" allowStepSelect={false} />
      <Stepper.Step label="Webhooks" description="Who has left" />
      <Stepper.Step label="Sign-in" description="Optional" />
      <Stepper.Step label="Check list" description="What works" />
    </Stepper>
  );
}

/** The first step: it ends with a provider, and the others are about that one. */
export function NewProvider() {
  const [issuer, setIssuer] = useState('');
  const discover = useSend((pasted: string) =>
    call('POST /v1/identity-providers/discover', { body: { issuer: pasted } }),
  );
  const problem = discover.error instanceof ApiProblem ? discover.error : undefined;
  const { suggestion: example } = problem?.problem ?? {};
  // One with a gap in it is for the eye; the sentence has it.
  const suggestion = typeof example === 'string' && !example.includes('<') ? example : undefined;
  const ask = (pasted: string): void => {
    setIssuer(pasted);
    discover.mutate(pasted);
  };
  return (
    <>
      <PageHead title="Add an identity provider" lead={LEAD} />
      <Steps active={0} />
      <Paper p="lg" maw={820}>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            ask(issuer);
          }}
        >
          <Group align="flex-start" gap="xs">
            <TextInput
              label="Issuer"
              description="For WorkOS your client ID is enough; an issuer or a discovery URL is as good."
              placeholder="client_01… or https://api.workos.com/user_management/client_01…"
              value={issuer}
              onChange={({ currentTarget }) => setIssuer(currentTarget.value)}
              error={discover.error ? (problem?.sentence ?? 'It could not be asked.') : undefined}
              style={{ flex: '1 1 340px' }}
              autoComplete="off"
              spellCheck={false}
              autoFocus
            />
            <Button type="submit" loading={discover.isPending} mt={{ base: 0, xs: 46 }}>
              Discover
            </Button>
          </Group>
          {suggestion && (
            <Button variant="light" size="xs" mt="xs" onClick={() => ask(suggestion)}>
              Use {suggestion}
            </Button>
          )}
        </form>
        {discover.data && <Found key={discover.data.issuer} found={discover.data} />}
      </Paper>
    </>
  );
}

const VENDORS: Record<string, string> = {
  workos: 'WorkOS AuthKit',
  authkit: 'WorkOS AuthKit',
  auth0: 'Auth0',
  okta: 'Okta',
  entra: 'Microsoft Entra ID',
  keycloak: 'Keycloak',
  clerk: 'Clerk',
  google: 'Google',
  unknown: 'an OpenID Connect issuer',
};

const POLICIES: { value: AudiencePolicy; label: string; description: string }[] = [
  {
    value: 'bound_by_keys',
    label: 'The keys say whose it is',
    description: 'WorkOS’s default: its tokens have no aud, and the key set belongs to your client alone.',
  },
  {
    value: 'if_present',
    label: 'It must match where it is there',
    description: 'For a JWT template that sets aud for some.',
  },
  {
    value: 'required',
    label: 'It must be there and match',
    description: 'For issuers whose keys sign for many clients.',
  },
];

function Found({ found }: { found: Discovery }) {
  const navigate = useNavigate();
  const vendor = VENDORS[found.vendor] ?? found.vendor;
  const [name, setName] = useState(
    found.vendor === 'unknown' ? new URL(found.issuer).hostname : vendor.replace(' AuthKit', ''),
  );
  const [mappings, setMappings] = useState(found.claim_mappings);
  const [confirmed, setConfirmed] = useState(false);
  const [audience, setAudience] = useState<string[]>([]);
  const [policy, setPolicy] = useState<AudiencePolicy>(found.audience_policy);
  const [shadow, setShadow] = useState(false);
  const [tried, setTried] = useState(false);
  const add = useSend(
    () =>
      call('POST /v1/identity-providers', {
        body: {
          name: name.trim(),
          kind: found.kind,
          issuers: found.issuers,
          ...(found.client_id ? { client_id: found.client_id } : {}),
          ...(found.jwks_uri ? { jwks_uri: found.jwks_uri } : {}),
          ...(audience.length > 0 ? { audience } : {}),
          audience_policy: policy,
          algorithms: found.algorithms,
          claim_mappings: mappings,
          confirm_claim_mappings: confirmed,
          ...(shadow ? { mode: 'shadow' } : {}),
        },
      }),
    [PORTAL],
  );
  const problem = add.error instanceof ApiProblem ? add.error : undefined;
  const named = ['name', 'claim_mappings', 'audience', 'client_id', 'issuers'];
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        setTried(true);
        if (!confirmed) return;
        add.mutate(undefined, {
          onSuccess: ({ id }) =>
            void navigate({
              to: '/providers/$providerId/set-up',
              params: { providerId: id },
              search: { step: 'webhooks' },
            }),
        });
      }}
    >
      <Alert color="teal" icon={<Icon name="check" />} title={`This is ${vendor}`} mt="lg" role="status">
        <dl className="facts">
          <dt>Issuer</dt>
          <dd className="mono">{found.issuers.join(', ')}</dd>
          {found.client_id && (
            <>
              <dt>Client ID</dt>
              <dd className="mono">{found.client_id}</dd>
            </>
          )}
          <dt>Keys</dt>
          <dd className="mono">{found.jwks_uri ?? 'not found'}</dd>
          <dt>Algorithms</dt>
          <dd>{found.algorithms.join(', ')}</dd>
        </dl>
      </Alert>
      {found.warnings.map(({ code, message }) => (
        <Alert key={code} color="yellow" icon={<Icon name="alert" />} mt="sm">
          {message}
        </Alert>
      ))}
      <Section title="Name">
        <TextInput
          aria-label="Name"
          value={name}
          onChange={({ currentTarget }) => setName(currentTarget.value)}
          error={problem?.field('name')}
          maw={420}
          required
        />
      </Section>
      <Section title="Claims">
        <Text size="sm" c="dimmed" mb="sm">
          Which claims of a token say whose it is. A path such as <span className="mono">o.id</span> names one further
          in.
        </Text>
        <SimpleGrid cols={{ base: 1, sm: 3 }}>
          <TextInput
            label="User"
            value={mappings.user_id}
            onChange={({ currentTarget: { value } }) => setMappings((before) => ({ ...before, user_id: value }))}
            error={problem?.field('claim_mappings.user_id')}
          />
          <TextInput
            label="Organization (the group claim)"
            value={mappings.organization_id}
            onChange={({ currentTarget: { value } }) => {
              setMappings((before) => ({ ...before, organization_id: value }));
              setConfirmed(false);
            }}
            error={problem?.field('claim_mappings.organization_id')}
          />
          <TextInput
            label="Session"
            value={mappings.session_id}
            onChange={({ currentTarget: { value } }) => setMappings((before) => ({ ...before, session_id: value }))}
            error={problem?.field('claim_mappings.session_id')}
          />
        </SimpleGrid>
        <Checkbox
          mt="md"
          label={
            <>
              In my tokens <b className="mono">{mappings.organization_id || '…'}</b> names the organization
            </>
          }
          description="With another claim everybody’s tokens would belong to other organizations, so from now on it changes only with a second confirmation."
          checked={confirmed}
          onChange={({ currentTarget }) => setConfirmed(currentTarget.checked)}
          error={tried && !confirmed ? 'Look at it once, and confirm it.' : undefined}
        />
      </Section>
      <Section title="Audience">
        <Radio.Group
          aria-label="Audience policy"
          value={policy}
          onChange={(value) => setPolicy(value as AudiencePolicy)}
        >
          <Stack gap="xs">
            {POLICIES.map(({ value, label, description }) => (
              <Radio key={value} value={value} label={label} description={description} />
            ))}
          </Stack>
        </Radio.Group>
        {policy !== 'bound_by_keys' && (
          <TagsInput
            mt="sm"
            label="Audience"
            description="What aud may be. Enter adds one."
            placeholder={found.audience_suggestions[0] ?? found.client_id ?? ''}
            data={found.audience_suggestions}
            value={audience}
            onChange={setAudience}
            error={problem?.field('audience')}
            maw={520}
          />
        )}
      </Section>
      <Section title="Mode">
        <Checkbox
          label="Begin in shadow mode"
          description="Nobody loses access: what would have ended is listed, until you enforce it. There is no way back from there."
          checked={shadow}
          onChange={({ currentTarget }) => setShadow(currentTarget.checked)}
        />
      </Section>
      <Stack mt="lg">
        {problem && !named.some((field) => problem.field(field)) && <Refusal error={add.error} />}
        {problem && <FieldsElsewhere problem={problem} shown={['name', 'claim_mappings', 'audience']} />}
        <Group>
          <Button type="submit" loading={add.isPending}>
            Add {name.trim() || 'it'}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** Mistakes in what was discovered, which has no field of its own here. */
function FieldsElsewhere({ problem, shown }: { problem: ApiProblem; shown: string[] }) {
  const errors = (problem.problem.errors ?? []).filter(({ field }) => !shown.some((name) => field.startsWith(name)));
  if (errors.length === 0) return null;
  return (
    <Alert color="red" role="alert" icon={<Icon name="alert" />}>
      {errors.map(({ field, message }) => (
        <Text size="sm" key={field}>
          {field}: {message}
        </Text>
      ))}
    </Alert>
  );
}

/** The other steps, for a provider that is there. */
export function SetUp() {
  const { providerId } = useParams({ from: '/providers/$providerId/set-up' });
  const { step = 'webhooks' } = useSearch({ from: '/providers/$providerId/set-up' });
  const navigate = useNavigate();
  const provider = useGet('GET /v1/identity-providers/{id}', { path: { id: providerId } }, { every: 4_000 });
  const active = Math.max(1, STEPS.indexOf(step as (typeof STEPS)[number]));
  const go = (to: number): void => void navigate({ to: '.', search: { step: STEPS[to]! } });
  return (
    <>
      <PageHead
        title={`Set up ${provider.data?.name ?? ''}`}
        lead={LEAD}
        actions={
          <ToButton to="/providers/$providerId" params={{ providerId }} variant="default">
            To the provider
          </ToButton>
        }
      />
      <Steps active={active} go={(to) => to > 0 && go(to)} />
      <Answered query={provider}>
        {(data) => (
          <Paper p="lg" maw={820}>
            {active === 1 && (
              <Stack>
                <WebhookPanel provider={data} />
                <Group mt="md">
                  <Button onClick={() => go(2)} variant={data.webhook_enabled ? 'filled' : 'default'}>
                    {data.webhook_enabled ? 'Next: sign-in' : 'Later'}
                  </Button>
                </Group>
              </Stack>
            )}
            {active === 2 && <SignInPanel provider={data} after={() => go(3)} />}
            {active === 3 && (
              <Stack>
                <Group gap="xs">
                  <Text fw={600}>What is seen to work</Text>
                  <Badge color="gray">looks again every few seconds</Badge>
                </Group>
                <CheckList provider={data} />
                <Group mt="sm">
                  <ToButton to="/" leftSection={<Icon name="activity" size={15} />}>
                    Watch what happens
                  </ToButton>
                </Group>
              </Stack>
            )}
          </Paper>
        )}
      </Answered>
    </>
  );
}
