import { Alert, Button, Group, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { ApiProblem, call, PORTAL } from '../api.js';
import { Icon } from '../icons.js';
import { useSend, useSession } from '../queries.js';
import type { Provider } from '../types.js';
import { CopyLine } from '../ui.js';

/** Where WorkOS sends a person back to: to the page, and to command-line tools that sign somebody in. */
export const redirectUris = ({ id }: Provider): [string, string][] => [
  ['For this page', `${location.origin}/auth/${encodeURIComponent(id)}/callback`],
  ['For command-line tools and local apps', `${location.origin}/auth/${encodeURIComponent(id)}/device/callback`],
];

export function SignInPanel({ provider, after }: { provider: Provider; after?: () => void }) {
  const mayChange = useSession().data?.role === 'administrator' && !provider.declared;
  const [clientId, setClientId] = useState(provider.client_id ?? '');
  const [apiKey, setApiKey] = useState('');
  const keep = useSend(
    () =>
      call('PATCH /v1/identity-providers/{id}', {
        path: { id: provider.id },
        body: {
          ...(clientId.trim() === (provider.client_id ?? '') ? {} : { client_id: clientId.trim() || null }),
          ...(apiKey.trim() === '' ? {} : { api_key: apiKey }),
        },
      }),
    [`${PORTAL}/identity-providers`],
  );
  const problem = keep.error instanceof ApiProblem ? keep.error : undefined;
  return (
    <Stack gap="md">
      <Text size="sm">
        With this, people sign in to this page with their own account and see their own access, and tools can sign
        somebody in from a terminal. It is optional: refusing tokens and revoking grants needs none of it.
      </Text>
      <Text size="sm">
        In the WorkOS dashboard open <b>Redirects</b>, and add both:
      </Text>
      {redirectUris(provider).map(([label, uri]) => (
        <div key={uri}>
          <Text size="xs" c="dimmed" mb={4}>
            {label}
          </Text>
          <CopyLine text={uri} what="the redirect URI" />
        </div>
      ))}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          keep.mutate(undefined, {
            onSuccess: () => {
              setApiKey('');
              after?.();
            },
          });
        }}
      >
        <Stack>
          <TextInput
            label="Client ID"
            description="Under API Keys in the dashboard; it begins with client_."
            value={clientId}
            onChange={({ currentTarget }) => setClientId(currentTarget.value)}
            error={problem?.field('client_id')}
            disabled={!mayChange}
            autoComplete="off"
          />
          <PasswordInput
            label="API key"
            description={
              provider.api_key_set
                ? 'One is kept, and never shown again. Paste another one to replace it.'
                : 'Begins with sk_. It also lets Rescind ask the Events API for webhooks that were lost.'
            }
            value={apiKey}
            onChange={({ currentTarget }) => setApiKey(currentTarget.value)}
            error={problem?.field('api_key') ?? (problem && !problem.field('client_id') ? problem.sentence : undefined)}
            disabled={!mayChange}
            autoComplete="off"
            visibilityToggleButtonProps={{ 'aria-label': 'Show or hide the key', tabIndex: 0 }}
          />
          {keep.isSuccess && (
            <Alert color="teal" icon={<Icon name="check" />} role="status">
              Kept. Sign out and try it: the sign-in page offers {provider.name}.
            </Alert>
          )}
          <Group>
            <Button type="submit" loading={keep.isPending} disabled={!mayChange}>
              Keep
            </Button>
            {after && (
              <Button variant="default" onClick={after}>
                Not now
              </Button>
            )}
          </Group>
        </Stack>
      </form>
    </Stack>
  );
}
