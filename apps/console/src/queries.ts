import {
  keepPreviousData,
  QueryCache,
  QueryClient,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from '@tanstack/react-query';
import { api, ApiProblem, type Params, PORTAL, withParams } from './api.js';
import type { Page, Provider, Session } from './types.js';

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

export const queryClient = new QueryClient({
  queryCache: new QueryCache({ onError: noticeEnd }),
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      // A refusal is final; an outage is not.
      retry: (failures, error) => {
        if (!(error instanceof ApiProblem) || (error.status > 0 && error.status < 500)) return false;
        return failures < 2;
      },
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
        return await api<Session>('GET', '/auth/session', undefined, signal);
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

/** One answer. Every query's key begins with its path, which is how the live feed finds what is out of date. */
export function useGet<T>(path: string, options: { every?: number; enabled?: boolean } = {}) {
  return useQuery({
    queryKey: [path],
    queryFn: ({ signal }) => api<T>('GET', path, undefined, signal),
    ...(options.enabled === undefined ? {} : { enabled: options.enabled }),
    ...(options.every === undefined ? {} : { refetchInterval: options.every }),
  });
}

export const PAGE_SIZE = 50;

/** A list, page by page. What was there stays to be seen while another filter is asked for. */
export function useList<T>(path: string, params: Params = {}, options: { every?: number } = {}) {
  return useInfiniteQuery({
    queryKey: [path, params],
    queryFn: ({ signal, pageParam }) =>
      api<Page<T>>('GET', withParams(path, { limit: PAGE_SIZE, ...params, cursor: pageParam }), undefined, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
    ...(options.every === undefined ? {} : { refetchInterval: options.every }),
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

export function useProviders() {
  return useGet<Page<Provider>>(`${PORTAL}/identity-providers`);
}
