import { z } from 'zod';
import { WORKOS_API } from './issuer-shape.js';

export interface WorkOSApiSettings {
  /** The environment's API key (`sk_…`). */
  apiKey: string;
  /** Default: WorkOS itself. */
  baseUrl?: string;
  /** Of one request. Default 10 s. */
  timeoutMs?: number;
}

/** WorkOS refused or did not answer. Carries neither what was sent nor what came back. */
export class WorkOSApiError extends Error {
  override readonly name = 'WorkOSApiError';
  /**
   * @param status of the answer; 0 where there was none
   * @param retryAfterMs how long WorkOS asks us to wait, where it says so
   */
  constructor(
    readonly status: number,
    readonly path: string,
    readonly retryAfterMs?: number,
    options?: ErrorOptions,
  ) {
    super(status === 0 ? `no answer from ${path}` : `${path} answered ${status}`, options);
  }

  /** Whether the same request may succeed later; otherwise key, cursor or parameters are wrong. */
  get retryable(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

export interface Page<T> {
  data: T[];
  /** Where the next page begins; null: this was the last one, for now. */
  after: string | null;
  /**
   * When WorkOS looked, at the latest, ms: its clock (`Date`, in whole seconds; ours where it does not say) less the time that
   * the request took.
   */
  asOf: number;
}

const object = z.looseObject({ id: z.string().min(1) });
export type WorkOSObject = z.output<typeof object>;
/** No more than is needed to go on behind it: one that cannot be read must not hold up those that come after. */
const event = object.extend({ event: z.string().min(1), created_at: z.string().optional() });
export type WorkOSApiEvent = z.output<typeof event>;

const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({
    data: z.array(item),
    list_metadata: z.object({ after: z.string().nullish() }).nullish(),
  });

export interface EventQuery {
  types: readonly string[];
  /** The cursor of an earlier answer, and never the id of an event that came by webhook: that one may overtake others. */
  after?: string;
  /** From when on, where there is no cursor yet. WorkOS takes one of the two. */
  since?: Date;
  /** 1 to 100. */
  limit?: number;
}

/**
 * What we ask of WorkOS's API, and no more. Lists come oldest first. Throws {@link WorkOSApiError}; of a cursor that WorkOS
 * does not know any more it has status 400.
 */
export class WorkOSApi {
  private readonly base: string;

  constructor(private readonly settings: WorkOSApiSettings) {
    this.base = (settings.baseUrl ?? WORKOS_API).replace(/\/+$/, '');
  }

  /** WorkOS API reference: "List events". An organization's filter would hide `user.*`, so none is ever sent. */
  listEvents({ types, after, since, limit = 100 }: EventQuery): Promise<Page<WorkOSApiEvent>> {
    // Lists in a query are comma-separated (style form, explode false, in WorkOS's OpenAPI), as its own SDK sends them.
    const query = new URLSearchParams({ events: types.join(), limit: String(limit) });
    if (after !== undefined) query.set('after', after);
    else if (since !== undefined) query.set('range_start', since.toISOString());
    return this.list('/events', query, event);
  }

  /** "List users"; `user_management`. */
  listUsers(after?: string): Promise<Page<WorkOSObject>> {
    return this.list('/user_management/users', pageQuery(after), object);
  }

  /** "List organization memberships", inactive ones too: they are what offboarding leaves. */
  listMemberships(of: { userId: string } | { organizationId: string }, after?: string): Promise<Page<WorkOSObject>> {
    const query = pageQuery(after);
    if ('userId' in of) query.set('user_id', of.userId);
    else query.set('organization_id', of.organizationId);
    query.set('statuses', 'active,inactive,pending');
    return this.list('/user_management/organization_memberships', query, object);
  }

  /** "List sessions" of one user: the ones that are active. */
  listSessions(userId: string, after?: string): Promise<Page<WorkOSObject>> {
    return this.list(`/user_management/users/${encodeURIComponent(userId)}/sessions`, pageQuery(after), object);
  }

  /** "List organizations". */
  listOrganizations(after?: string): Promise<Page<WorkOSObject>> {
    return this.list('/organizations', pageQuery(after), object);
  }

  /** "List directories": the ones that organizations keep their people in. A deleted one is not among them. */
  listDirectories(after?: string): Promise<Page<WorkOSObject>> {
    return this.list('/directories', pageQuery(after), object);
  }

  /** One user or organization; undefined where WorkOS says that there is none (404). */
  async find(kind: 'user' | 'organization', id: string): Promise<WorkOSObject | undefined> {
    const path = `${kind === 'user' ? '/user_management/users' : '/organizations'}/${encodeURIComponent(id)}`;
    try {
      return (await this.get(path, new URLSearchParams(), object)).body;
    } catch (error) {
      if (error instanceof WorkOSApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  private async list<T extends z.ZodType>(path: string, query: URLSearchParams, item: T): Promise<Page<z.output<T>>> {
    const { body, asOf } = await this.get(path, query, pageOf(item));
    return { data: body.data as z.output<T>[], after: body.list_metadata?.after ?? null, asOf };
  }

  private async get<T>(path: string, query: URLSearchParams, schema: z.ZodType<T>): Promise<{ body: T; asOf: number }> {
    const askedAt = performance.now();
    try {
      const answer = await fetch(`${this.base}${path}?${query.toString()}`, {
        redirect: 'error',
        signal: AbortSignal.timeout(this.settings.timeoutMs ?? 10_000),
        headers: { authorization: `Bearer ${this.settings.apiKey}`, accept: 'application/json' },
      });
      if (answer.status !== 200) {
        await answer.body?.cancel();
        throw new WorkOSApiError(answer.status, path, retryAfterMs(answer.headers.get('retry-after')));
      }
      const saidAt = Date.parse(answer.headers.get('date') ?? '');
      return {
        body: schema.parse(await answer.json()),
        asOf: (Number.isNaN(saidAt) ? Date.now() : saidAt) - (performance.now() - askedAt),
      };
    } catch (error) {
      if (error instanceof WorkOSApiError) throw error;
      // An answer of another shape is as good as none, and zod's error would hold what was in it.
      throw new WorkOSApiError(0, path, undefined, error instanceof z.ZodError ? {} : { cause: error });
    }
  }
}

const pageQuery = (after: string | undefined): URLSearchParams =>
  new URLSearchParams({ limit: '100', order: 'asc', ...(after === undefined ? {} : { after }) });

/** Seconds, as WorkOS sends them; bounded, so that nobody can put us to sleep. */
function retryAfterMs(header: string | null): number | undefined {
  const seconds = Number(header ?? NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds, 300) * 1_000 : undefined;
}
