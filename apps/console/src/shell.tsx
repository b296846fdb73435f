import {
  ActionIcon,
  AppShell,
  Badge,
  Box,
  Burger,
  Button,
  Group,
  ScrollArea,
  Text,
  Tooltip,
  useComputedColorScheme,
  useMantineColorScheme,
} from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Outlet, useRouterState } from '@tanstack/react-router';
import { useEffect } from 'react';
import { call } from './api.js';
import { useFeed, useFeedConnection, useLiveInterval } from './feed.js';
import { Icon, type IconName } from './icons.js';
import { ToNav } from './links.js';
import { queryClient, useGet } from './queries.js';
import type { Session } from './types.js';
import { Light } from './ui.js';

interface Place {
  to: string;
  label: string;
  icon: IconName;
  /** How many of it wait for somebody. */
  waiting?: number;
}

function usePlaces(): { group: string; places: Place[] }[] {
  const every = useLiveInterval() * 2;
  const paused = useGet('GET /api/grants/v1/guard-trips', { query: { status: 'paused' } }, { every });
  const aside = useGet('GET /api/grants/v1/set-aside', { query: { status: 'waiting', limit: 100 } }, { every });
  return [
    {
      group: 'Now',
      places: [
        { to: '/', label: 'Live', icon: 'activity' },
        { to: '/health', label: 'Health', icon: 'gauge' },
      ],
    },
    {
      group: 'Access',
      places: [
        { to: '/users', label: 'Users', icon: 'users' },
        { to: '/grants', label: 'Grants', icon: 'key' },
        { to: '/revocations', label: 'Revocations', icon: 'ban' },
        { to: '/verify', label: 'Verify a token', icon: 'shieldCheck' },
      ],
    },
    {
      group: 'Signals',
      places: [
        { to: '/events', label: 'Events', icon: 'inbox' },
        { to: '/deliveries', label: 'Deliveries', icon: 'send' },
        { to: '/set-aside', label: 'Set aside', icon: 'archive', waiting: aside.data?.data.length ?? 0 },
        { to: '/guards', label: 'Guards', icon: 'shield', waiting: paused.data?.data.length ?? 0 },
        { to: '/shadow', label: 'Shadow', icon: 'eye' },
        { to: '/reconciliations', label: 'Reconcile', icon: 'again' },
      ],
    },
    {
      group: 'Set up',
      places: [
        { to: '/providers', label: 'Identity providers', icon: 'plug' },
        { to: '/portal-access', label: 'Portal access', icon: 'lock' },
        { to: '/audit', label: 'Audit', icon: 'scroll' },
      ],
    },
  ];
}

function Navigation({ onGo }: { onGo: () => void }) {
  return (
    <>
      {usePlaces().map(({ group, places }) => (
        <div key={group} role="group" aria-label={group}>
          <div className="nav-group" aria-hidden>
            {group}
          </div>
          {places.map(({ to, label, icon, waiting = 0 }) => (
            <ToNav
              key={to}
              to={to}
              label={label}
              className="nav"
              py={7}
              leftSection={<Icon name={icon} size={17} />}
              rightSection={
                waiting > 0 ? (
                  <Badge color="yellow" size="sm" aria-label={`${waiting} waiting`}>
                    {waiting > 99 ? '99+' : waiting}
                  </Badge>
                ) : undefined
              }
              activeOptions={{ exact: to === '/', includeSearch: false }}
              activeProps={{ 'data-active': true, 'aria-current': 'page' } as object}
              onClick={onGo}
            />
          ))}
        </div>
      ))}
    </>
  );
}

export function ColorScheme() {
  const { setColorScheme } = useMantineColorScheme();
  const now = useComputedColorScheme('light', { getInitialValueInEffect: false });
  const other = now === 'dark' ? 'light' : 'dark';
  return (
    <Tooltip label={`Make it ${other}`} withArrow>
      <ActionIcon
        variant="subtle"
        color="gray"
        size="lg"
        aria-label={`Make it ${other}`}
        onClick={() => setColorScheme(other)}
      >
        <Icon name={now === 'dark' ? 'sun' : 'moon'} />
      </ActionIcon>
    </Tooltip>
  );
}

export function Mark({ size = 26 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#3b5bdb" />
      <path
        d="M10 9h8a5 5 0 0 1 0 10h-8M14 14l-5 5 5 5"
        fill="none"
        stroke="#fff"
        strokeWidth="3"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}

function FeedLight() {
  const { state } = useFeed();
  const words = { live: 'Live', connecting: 'Connecting', away: 'Live feed away; asking every few seconds' }[state];
  return (
    <Tooltip label={state === 'live' ? 'What happens is seen here as it happens' : words} withArrow>
      <Group gap={6} wrap="nowrap" role="status">
        <Light color={state === 'live' ? 'teal' : state === 'away' ? 'yellow' : 'gray'} pulse={state === 'live'} />
        <Text size="xs" c="dimmed" visibleFrom="xs">
          {state === 'live' ? 'Live' : state === 'away' ? 'Polling' : 'Connecting'}
        </Text>
      </Group>
    </Tooltip>
  );
}

async function signOut(): Promise<void> {
  await call('POST /auth/session/sign-out', {}).catch(() => undefined);
  queryClient.clear();
  location.assign('/');
}

/** The frame of all pages of somebody who is signed in. */
export function Shell({ session }: { session: Session }) {
  const [opened, { toggle, close }] = useDisclosure();
  const isPerson = session.role === 'person';
  useFeedConnection();
  // A page begins at its top, for eyes and for screen readers.
  const path = useRouterState({ select: ({ location }) => location.pathname });
  useEffect(() => {
    document.querySelector('main')?.focus({ preventScroll: true });
  }, [path]);
  return (
    <AppShell
      header={{ height: 56 }}
      {...(isPerson ? {} : { navbar: { width: 232, breakpoint: 'sm', collapsed: { mobile: !opened } } })}
      padding="lg"
    >
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            {!isPerson && (
              <Burger
                opened={opened}
                onClick={toggle}
                hiddenFrom="sm"
                size="sm"
                aria-label="Navigation"
                aria-expanded={opened}
              />
            )}
            <Mark />
            <Text fw={700} size="lg" lts={-0.2}>
              Rescind
            </Text>
          </Group>
          <Group gap="sm" wrap="nowrap">
            <FeedLight />
            <ColorScheme />
            <Tooltip label={`Signed in as ${session.name} (${session.role})`} withArrow>
              <Group gap={6} wrap="nowrap" visibleFrom="xs">
                <Icon name="user" size={16} />
                <Text size="sm" truncate maw={180}>
                  {session.name}
                </Text>
                {session.role !== 'person' && (
                  <Badge color="gray" size="sm">
                    {session.role}
                  </Badge>
                )}
              </Group>
            </Tooltip>
            <Button
              variant="default"
              size="xs"
              onClick={() => void signOut()}
              leftSection={<Icon name="leave" size={14} />}
            >
              Sign out
            </Button>
          </Group>
        </Group>
      </AppShell.Header>
      {!isPerson && (
        <AppShell.Navbar p="xs" aria-label="Pages">
          <ScrollArea type="auto" viewportProps={{ tabIndex: -1 }}>
            <Navigation onGo={close} />
          </ScrollArea>
        </AppShell.Navbar>
      )}
      <AppShell.Main id="content" tabIndex={-1} style={{ outline: 'none' }}>
        <Box maw={1280} mx="auto">
          <Outlet />
        </Box>
      </AppShell.Main>
    </AppShell>
  );
}
