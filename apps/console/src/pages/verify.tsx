import { Alert, Badge, Button, Group, Paper, SimpleGrid, Stack, Text, Textarea } from '@mantine/core';
import { useState } from 'react';
import { ApiProblem, call, sentence } from '../api.js';
import { Icon } from '../icons.js';
import { useProviders, useSend } from '../queries.js';
import { meaningOf } from '../reasons.js';
import { claimMeans, takeApart, tidy, timeOf, type TokenParts } from '../token.js';
import type { Verdict } from '../types.js';
import { PageHead, Section, UserLink, When } from '../ui.js';

export function Verify() {
  const [pasted, setPasted] = useState('');
  const token = tidy(pasted);
  const parts = token === '' ? undefined : takeApart(token);
  const verify = useSend(() => call('POST /api/token-verification/v1/tokens/verify', { body: { token } }));
  const change = (text: string): void => {
    setPasted(text);
    verify.reset();
  };
  return (
    <>
      <PageHead
        title="Verify a token"
        lead="Paste an access token: it is taken apart in this browser, and judged by token-verification as your services would have it judged. Nothing of it is kept, neither here nor there."
      />
      <form
        autoComplete="off"
        onSubmit={(event) => {
          event.preventDefault();
          verify.mutate();
        }}
      >
        <Stack>
          <Textarea
            label="Token"
            placeholder="eyJhbGciOiJSUzI1NiIs…"
            value={pasted}
            onChange={({ currentTarget }) => change(currentTarget.value)}
            minRows={4}
            maxRows={8}
            autosize
            spellCheck={false}
            styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 12.5 } }}
            error={parts && 'mistake' in parts ? parts.mistake : undefined}
          />
          <Group>
            <Button
              type="submit"
              loading={verify.isPending}
              disabled={token === ''}
              leftSection={<Icon name="shieldCheck" size={16} />}
            >
              Judge it
            </Button>
            <Button variant="default" disabled={pasted === ''} onClick={() => change('')}>
              Forget it
            </Button>
          </Group>
        </Stack>
      </form>
      <div aria-live="polite">
        {verify.data && <Judged verdict={verify.data} />}
        {verify.error && <Unknown error={verify.error} />}
      </div>
      {parts && 'claims' in parts && <Parts parts={parts} />}
    </>
  );
}

function Judged({ verdict }: { verdict: Verdict }) {
  if (verdict.active) {
    return (
      <Alert color="teal" icon={<Icon name="shieldCheck" />} title="Active" mt="lg">
        <Text size="sm" component="div">
          The signature and the claims hold, and nothing that the token belongs to is closed. It is of{' '}
          <UserLink id={verdict.user_id} provider={verdict.provider_id} />
          {verdict.organization_id && (
            <>
              {' '}
              within <span className="mono">{verdict.organization_id}</span>
            </>
          )}
          . <AsOf at={verdict.as_of} />
        </Text>
      </Alert>
    );
  }
  const { title, means, todo } = meaningOf(verdict.reason);
  return (
    <Alert color="red" icon={<Icon name="ban" />} title={`Refused: ${title}`} mt="lg">
      <Stack gap={6}>
        <Text size="sm">{means}</Text>
        <Text size="sm">
          <b>What to do:</b> {todo}
        </Text>
        <Text size="xs" c="dimmed" component="div">
          <span className="mono">{verdict.reason}</span> · <AsOf at={verdict.as_of} />
        </Text>
      </Stack>
    </Alert>
  );
}

const AsOf = ({ at }: { at: string | null }) =>
  at === null ? null : (
    <>
      Judged by all that was revoked until <When at={at} />.
    </>
  );

/** Not known is neither yes nor no. */
function Unknown({ error }: { error: Error }) {
  const code = error instanceof ApiProblem ? error.code : '';
  const isKnownUnknown = code === 'view_stale' || code === 'keys_unavailable';
  return (
    <Alert
      color="orange"
      icon={<Icon name="clock" />}
      title={isKnownUnknown ? meaningOf(code).title : 'It could not be judged'}
      mt="lg"
      role="alert"
    >
      <Text size="sm">{isKnownUnknown ? `${meaningOf(code).means} ${meaningOf(code).todo}` : sentence(error)}</Text>
    </Alert>
  );
}

function Parts({ parts }: { parts: TokenParts }) {
  const providers = useProviders().data?.data ?? [];
  const issuer = parts.claims['iss'];
  const provider = providers.find(({ issuers }) => issuers.includes(String(issuer)));
  return (
    <Section title="Taken apart">
      <Text size="sm" c="dimmed" mb="sm">
        What the token says of itself. Whether it is true the verdict says, and nothing here.{' '}
        {provider
          ? `Its issuer is that of ${provider.name}.`
          : providers.length > 0 && 'No identity provider here has its issuer.'}
      </Text>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Claims title="Claims" of={parts.claims} />
        <Claims title="Header" of={parts.header} />
      </SimpleGrid>
    </Section>
  );
}

function Claims({ title, of }: { title: string; of: Record<string, unknown> }) {
  return (
    <Paper p="md">
      <Text fw={600} size="sm" mb="xs">
        {title}
      </Text>
      <dl className="facts">
        {Object.entries(of).map(([name, value]) => (
          <div key={name} style={{ display: 'contents' }}>
            <dt>
              <span className="mono">{name}</span>
              {claimMeans(name) && (
                <Text size="xs" c="dimmed">
                  {claimMeans(name)}
                </Text>
              )}
            </dt>
            <dd>
              <Value name={name} value={value} />
            </dd>
          </div>
        ))}
      </dl>
    </Paper>
  );
}

function Value({ name, value }: { name: string; value: unknown }) {
  const time = timeOf(name, value);
  if (time) {
    const isOver = name === 'exp' && time.getTime() < Date.now();
    return (
      <Group gap="xs">
        <When at={time.toISOString()} />
        {isOver && <Badge color="orange">over</Badge>}
        <Text size="xs" c="dimmed" className="mono">
          {time.toISOString().replace('.000', '')}
        </Text>
      </Group>
    );
  }
  return <span className="mono">{typeof value === 'string' ? value : JSON.stringify(value)}</span>;
}
