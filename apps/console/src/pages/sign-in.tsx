import { Alert, Button, Center, Divider, Group, Paper, PasswordInput, Stack, Text, Title } from '@mantine/core';
import { useState } from 'react';
import { ApiProblem, call, isAbsent, sentence } from '../api.js';
import { Icon } from '../icons.js';
import { queryClient, useGet, useSend, whyEnded } from '../queries.js';
import { meaningOf } from '../reasons.js';
import { ColorScheme, Mark } from '../shell.js';

/** By an API key, or by the sign-in of a provider that is set up for it. */
export function SignIn() {
  const [key, setKey] = useState('');
  const ways = useGet('GET /auth/providers', {});
  const signIn = useSend(async () => {
    await call('POST /auth/session', { body: { api_key: key.trim() } });
    await queryClient.invalidateQueries();
  });
  const mistake = signIn.error
    ? signIn.error instanceof ApiProblem && signIn.error.status === 401
      ? 'No API key of this installation is like this. After npm start it stands in .local/stack.json (adminApiKey).'
      : isAbsent(signIn.error)
        ? 'This portal does not know sessions yet.'
        : sentence(signIn.error)
    : undefined;
  const ended = whyEnded();
  return (
    <Center mih="100vh" p="md" component="main">
      <Stack w="100%" maw={400} gap="lg">
        <Group justify="space-between">
          <Group gap="sm">
            <Mark size={34} />
            <div>
              <Title order={1} size="h3" lh={1.1}>
                Rescind
              </Title>
              <Text size="sm" c="dimmed">
                Who lost access, and why
              </Text>
            </div>
          </Group>
          <ColorScheme />
        </Group>
        <Paper p="lg" shadow="sm">
          <form
            onSubmit={(event) => {
              event.preventDefault();
              signIn.mutate();
            }}
          >
            <Stack>
              {ended && (
                <Alert color="orange" role="alert" icon={<Icon name="ban" />} title="Your session has ended">
                  {meaningOf(ended).title}. {meaningOf(ended).means}
                </Alert>
              )}
              {ways.data?.data.map(({ id, name }) => (
                <Button
                  key={id}
                  component="a"
                  variant="default"
                  href={`/auth/${encodeURIComponent(id)}/login?return_to=${encodeURIComponent(location.pathname + location.search)}`}
                  leftSection={<Icon name="user" size={16} />}
                >
                  Sign in with {name}
                </Button>
              ))}
              {(ways.data?.data.length ?? 0) > 0 && <Divider label="or" />}
              <PasswordInput
                label="API key"
                description="An administrator’s or auditor’s key of this installation. It is not kept in the browser."
                value={key}
                onChange={({ currentTarget }) => setKey(currentTarget.value)}
                error={mistake}
                autoComplete="off"
                autoFocus
                required
                visibilityToggleButtonProps={{ 'aria-label': 'Show or hide the key', tabIndex: 0 }}
              />
              <Button type="submit" loading={signIn.isPending} disabled={key.trim() === ''}>
                Sign in
              </Button>
            </Stack>
          </form>
        </Paper>
      </Stack>
    </Center>
  );
}
