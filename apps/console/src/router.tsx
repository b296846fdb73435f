import { Center, Loader } from '@mantine/core';
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import { isAbsent, setCsrfToken } from './api.js';
import { textFilters } from './filters.js';
import { ToButton } from './links.js';
import { SignIn } from './pages/sign-in.js';
import { useSession } from './queries.js';
import { Shell } from './shell.js';
import { Empty, Failed, PageHead } from './ui.js';

/** Nothing but the sign-in is drawn before it is known who looks. */
function Root() {
  const session = useSession();
  if (session.data === null || isAbsent(session.error)) return <SignIn />;
  if (session.data) {
    setCsrfToken(session.data.csrf_token ?? '');
    return <Shell session={session.data} />;
  }
  if (session.isError) return <Failed error={session.error} again={session.refetch} />;
  return (
    <Center mih="100vh" role="status" aria-label="Loading">
      <Loader />
    </Center>
  );
}

const root = createRootRoute({
  component: Root,
  notFoundComponent: () => (
    <>
      <PageHead title="Nothing here" />
      <Empty icon="search" title="There is nothing at this address">
        <ToButton to="/" variant="default" mt="sm">
          To the first page
        </ToButton>
      </Empty>
    </>
  ),
});
const getParentRoute = () => root;

const live = createRoute({
  getParentRoute,
  path: '/',
  component: lazyRouteComponent(() => import('./pages/live.js'), 'Home'),
});
const users = createRoute({
  getParentRoute,
  path: '/users',
  validateSearch: textFilters('q', 'provider_id'),
  component: lazyRouteComponent(() => import('./pages/users.js'), 'Users'),
});
const user = createRoute({
  getParentRoute,
  path: '/users/$userId',
  validateSearch: textFilters('provider_id', 'tab'),
  component: lazyRouteComponent(() => import('./pages/user.js'), 'UserPage'),
});
const receipt = createRoute({
  getParentRoute,
  path: '/users/$userId/receipt',
  validateSearch: textFilters('provider_id', 'organization_id'),
  component: lazyRouteComponent(() => import('./pages/receipt.js'), 'ReceiptPage'),
});
const grants = createRoute({
  getParentRoute,
  path: '/grants',
  validateSearch: textFilters('user_id', 'organization_id', 'session_id', 'resource', 'status', 'provider_id'),
  component: lazyRouteComponent(() => import('./pages/grants.js'), 'Grants'),
});
const grant = createRoute({
  getParentRoute,
  path: '/grants/$grantId',
  component: lazyRouteComponent(() => import('./pages/grants.js'), 'GrantPage'),
});
const revocations = createRoute({
  getParentRoute,
  path: '/revocations',
  validateSearch: textFilters('user_id', 'organization_id', 'provider_id'),
  component: lazyRouteComponent(() => import('./pages/revocations.js'), 'Revocations'),
});
const events = createRoute({
  getParentRoute,
  path: '/events',
  validateSearch: textFilters('user_id', 'organization_id', 'type', 'provider_id'),
  component: lazyRouteComponent(() => import('./pages/events.js'), 'Events'),
});
const event = createRoute({
  getParentRoute,
  path: '/events/$eventId',
  validateSearch: textFilters('provider_id'),
  component: lazyRouteComponent(() => import('./pages/events.js'), 'EventPage'),
});
const deliveries = createRoute({
  getParentRoute,
  path: '/deliveries',
  validateSearch: textFilters('stream_id', 'state'),
  component: lazyRouteComponent(() => import('./pages/deliveries.js'), 'Deliveries'),
});
const setAside = createRoute({
  getParentRoute,
  path: '/set-aside',
  validateSearch: textFilters('status', 'reason'),
  component: lazyRouteComponent(() => import('./pages/set-aside.js'), 'SetAsidePage'),
});
const guards = createRoute({
  getParentRoute,
  path: '/guards',
  validateSearch: textFilters('status', 'provider_id'),
  component: lazyRouteComponent(() => import('./pages/guards.js'), 'Guards'),
});
const shadow = createRoute({
  getParentRoute,
  path: '/shadow',
  validateSearch: textFilters('provider_id'),
  component: lazyRouteComponent(() => import('./pages/shadow.js'), 'Shadow'),
});
const reconciliations = createRoute({
  getParentRoute,
  path: '/reconciliations',
  validateSearch: textFilters('status', 'provider_id'),
  component: lazyRouteComponent(() => import('./pages/reconciliation.js'), 'Reconciliations'),
});
const reconciliation = createRoute({
  getParentRoute,
  path: '/reconciliations/$runId',
  component: lazyRouteComponent(() => import('./pages/reconciliation.js'), 'ReconciliationPage'),
});
const verify = createRoute({
  getParentRoute,
  path: '/verify',
  component: lazyRouteComponent(() => import('./pages/verify.js'), 'Verify'),
});
const health = createRoute({
  getParentRoute,
  path: '/health',
  component: lazyRouteComponent(() => import('./pages/health.js'), 'Health'),
});
const providers = createRoute({
  getParentRoute,
  path: '/providers',
  component: lazyRouteComponent(() => import('./pages/providers.js'), 'Providers'),
});
const newProvider = createRoute({
  getParentRoute,
  path: '/providers/new',
  component: lazyRouteComponent(() => import('./pages/set-up.js'), 'NewProvider'),
});
const provider = createRoute({
  getParentRoute,
  path: '/providers/$providerId',
  component: lazyRouteComponent(() => import('./pages/providers.js'), 'ProviderPage'),
});
const setUp = createRoute({
  getParentRoute,
  path: '/providers/$providerId/set-up',
  validateSearch: textFilters('step'),
  component: lazyRouteComponent(() => import('./pages/set-up.js'), 'SetUp'),
});
const portalAccess = createRoute({
  getParentRoute,
  path: '/portal-access',
  component: lazyRouteComponent(() => import('./pages/portal-access.js'), 'PortalAccess'),
});
const audit = createRoute({
  getParentRoute,
  path: '/audit',
  validateSearch: textFilters('of', 'provider_id', 'subject', 'source_event_id'),
  component: lazyRouteComponent(() => import('./pages/audit.js'), 'AuditPage'),
});
const me = createRoute({
  getParentRoute,
  path: '/me',
  component: lazyRouteComponent(() => import('./pages/me.js'), 'Me'),
});

const routeTree = root.addChildren([
  live,
  users,
  user,
  receipt,
  grants,
  grant,
  revocations,
  events,
  event,
  deliveries,
  setAside,
  guards,
  shadow,
  reconciliations,
  reconciliation,
  verify,
  health,
  providers,
  newProvider,
  provider,
  setUp,
  portalAccess,
  audit,
  me,
]);

export const router = createRouter({
  routeTree,
  defaultPreload: 'intent',
  defaultErrorComponent: ({ error, reset }) => <Failed error={error} again={reset} />,
  defaultPreloadDelay: 50,
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
