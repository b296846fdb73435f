import {
  keepPreviousData,
  QueryCache,
  QueryClient,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
  type UseQueryResult,
} from '@tanstack/react-query';
import { type Answer, ApiProblem, call, type Input, isNotInstalled, pathOf, type Route } from './api.js';
import type { Page } from './types.js';

/** The session has ended in the meantime: the page asks to sign in, and says why. */
function noticeEnd(error: unknown): void {
  if (!(error instanceof ApiProblem) || error.status !== 401) return;
  const { reason } = error.problem;
  if (typeof reason === 'string') endedBecause = reason;
  void queryClient.invalidateQueries(SESSION);
}
let endedBecause: string | undefined;
/** Why the session of whoever looks has ended, where it was not by signing out. */
export const whyEnded = (): string | undefined => endedBecause;

/** A refusal is final; an outage is not. */
const isOutage = (error: unknown): boolean =>
  error instanceof ApiProblem && (error.status === 0 || error.status >= 500) && !isNotInstalled(error);

const AGAIN_MS = 5_000;
/** How often something is asked for, ms; after an outage always, until there is an answer. */
const asked =
  (every?: number) =>
  ({ state }: { state: { error: Error | null } }): number | false =>
    isOutage(state.error) ? Math.min(every ?? AGAIN_MS, AGAIN_MS) : (every ?? false);

export const queryClient = new QueryClient({
  queryCache: new QueryCache({ onError: noticeEnd }),
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      retry: (failures, error) => isOutage(error) && failures < 2,
      retryDelay: (failures) => 500 * 2 ** failures,
    },
    mutations: { onError: noticeEnd },
  },
});

const SESSION = { queryKey: ['/auth/session'] };

/** Who is signed in; null: nobody. */
export function useSession() {
  return useQuery({
    ...SESSION,
    queryFn: async ({ signal }) => {
      try {
        return await call('GET /auth/session', {}, signal);
      } catch (error) {
        if (!(error instanceof ApiProblem) || error.status !== 401) throw error;
        // Said once; the next question finds no session at all.
        if (typeof error.problem['reason'] === 'string') endedBecause = error.problem['reason'];
        return null;
      }
    },
    staleTime: 30_000,
    refetchInterval: 60_000,
  });
}

type Getting = Route & `GET ${string}`;

/** One answer. Every query's key begins with its path, which is how the live feed finds what is out of date. */
export function useGet<R extends Getting>(
  route: R,
  ask: Input<R>,
  options: { every?: number; enabled?: boolean } = {},
): UseQueryResult<Answer<R>> {
  return useQuery({
    queryKey: [pathOf(route, ask), (ask as { query?: object }).query ?? {}],
    queryFn: ({ signal }) => call(route, ask, signal),
    ...(options.enabled === undefined ? {} : { enabled: options.enabled }),
    refetchInterval: asked(options.every),
  });
}

export const PAGE_SIZE = 50;

/** The routes that answer page by page. */
type Listing = { [R in Getting]: Answer<R> extends Page<unknown> ? R : never }[Getting];
export type Item<R extends Listing> = Answer<R> extends Page<infer Row> ? Row : never;

/** A list, page by page. What was there stays to be seen while another filter is asked for. */
export function useList<R extends Listing>(route: R, ask: Input<R>, options: { every?: number } = {}) {
  const { query } = ask as { query?: object };
  return useInfiniteQuery({
    queryKey: [pathOf(route, ask), 'pages', query ?? {}],
    queryFn: ({ signal, pageParam: cursor }) => {
      const page = { ...ask, query: { limit: PAGE_SIZE, ...query, cursor } };
      return call(route, page as Input<R>, signal) as Promise<Page<Item<R>>>;
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: asked(options.every),
  });
}

/** @param touches the beginnings of the paths that are out of date afterwards */
export function useSend<Answer = void, Input = void>(
  send: (input: Input) => Promise<Answer>,
  touches: readonly string[] = [],
) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: send,
    // What is sent may be a secret, and what is answered too: nothing stays behind.
    gcTime: 0,
    onSuccess: () => outdate(client, touches),
  });
}

/** Asks again for what is on the screen, and for the rest when it is looked at next. */
export function outdate(client: QueryClient, paths: readonly string[]): Promise<void> {
  return client.invalidateQueries({
    predicate: ({ queryKey: [path] }) => typeof path === 'string' && paths.some((begin) => path.startsWith(begin)),
  });
}

/** The provider of the synthetic revocations, which is nobody's: lists leave out what is its own unless it is asked for. */
export const CANARY = 'rescind-canary';

export function useProviders() {
  return useGet('GET /v1/identity-providers', {});
}
