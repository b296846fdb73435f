import { Alert, Button, Group, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { call, GRANTS, PORTAL } from '../api.js';
import { Ask } from '../ask.js';
import { moment, PROVIDER, SOURCE, WHOM } from '../columns.js';
import { useLiveInterval } from '../feed.js';
import { ProviderChoice, useFilters } from '../filters.js';
import { Icon } from '../icons.js';
import { useList, useProviders, useSend, useSession } from '../queries.js';
import type { Provider, ShadowRevocation } from '../types.js';
import { type Column, count, Empty, List, PageHead, Reason } from '../ui.js';

const COLUMNS: Column<ShadowRevocation>[] = [
  moment('When', 'recorded_at'),
  PROVIDER,
  WHOM,
  { title: 'Why', cell: ({ reason }) => <Reason code={reason} /> },
  { title: 'Grants', cell: ({ grants }) => (grants >= 1_000 ? '1,000 or more' : count(grants)), narrow: true },
  SOURCE,
  moment('Took effect', 'sent_again_at', 'not'),
];

export function Shadow() {
  const [{ provider_id }] = useFilters();
  const list = useList(
    'GET /api/grants/v1/shadow-revocations',
    { query: { provider_id } },
    { every: useLiveInterval() },
  );
  const providers = useProviders().data?.data ?? [];
  const shadows = providers.filter(({ mode }) => mode === 'shadow');
  const mayChange = useSession().data?.role === 'administrator';
  const [enforcing, setEnforcing] = useState<Provider>();
  return (
    <>
      <PageHead
        title="Shadow"
        lead="A provider in shadow mode ends nobody’s access: what its events would have ended is listed here, so that you can compare it with what you expect before it counts."
      />
      <Stack mb="sm" gap="sm">
        {shadows.map((provider) => (
          <Alert
            key={provider.id}
            color="yellow"
            icon={<Icon name="eye" />}
            title={`${provider.name} is in shadow mode`}
          >
            <Group justify="space-between">
              <Text size="sm">Its people keep their access whatever WorkOS says.</Text>
              {mayChange && (
                <Button size="xs" variant="default" onClick={() => setEnforcing(provider)}>
                  Enforce it…
                </Button>
              )}
            </Group>
          </Alert>
        ))}
        <Group>
          <ProviderChoice />
        </Group>
      </Stack>
      <List
        list={list}
        label="What would have been revoked"
        columns={COLUMNS}
        keyOf={({ id }) => id}
        empty={
          <Empty icon="eye" title="Nothing in the shadow">
            {shadows.length > 0
              ? 'No event has come in that would have ended anything.'
              : 'No provider is in shadow mode. A new one can begin there.'}
          </Empty>
        }
      />
      {enforcing && <Enforce provider={enforcing} close={() => setEnforcing(undefined)} />}
    </>
  );
}

function Enforce({ provider, close }: { provider: Provider; close: () => void }) {
  const enforce = useSend(
    () => call('PATCH /v1/identity-providers/{id}', { path: { id: provider.id }, body: { mode: 'enforced' } }),
    [PORTAL, GRANTS],
  );
  return (
    <Ask title={`Enforce ${provider.name}`} button="Enforce" send={enforce} close={close}>
      <Text size="sm">
        All that is listed here takes effect, and so does everything that comes. There is no way back to the shadow.
      </Text>
    </Ask>
  );
}
