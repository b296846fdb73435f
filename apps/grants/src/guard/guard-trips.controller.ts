import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { z } from 'zod';
import { Problem } from '#platform/problem.js';
import { valid } from '#platform/validation.js';
import { appendAudit } from '../audit/audit.sql.js';
import { Caller } from '#platform/caller.js';
import { Database } from '#platform/database.js';
import { decideTrip, lockGuardOf, readTrips, releaseMarking, type TripRow } from './guard.sql.js';
import { GuardUndoing } from './guard-undoing.js';
import { MarkingWorker } from '../marking/marking-worker.js';
import { limit, page, pageQuery } from '../paging.js';
import { id, plainText } from '../scopes/selectors.js';
import type { Tx } from '#platform/sql.js';

export const tripQuery = z.object({
  status: z.enum(['paused', 'confirmed', 'undone']).optional(),
  provider_id: id.optional(),
  ...pageQuery,
  limit: limit.default(20),
});
export const decision = z.strictObject({ note: plainText(500) });

export const tripView = z.object({
  id: z.string(),
  provider_id: z.string(),
  status: z.enum(['paused', 'confirmed', 'undone']),
  tripped_at: z.string(),
  /** Different people whom it shut out so far; of a deleted organization, its members as far as they were counted. */
  users: z.int(),
  /** Of the users that were known, 0 to 1. */
  share: z.number(),
  /** More people than this within the window tripped it. */
  allowed_users: z.int(),
  window_seconds: z.int(),
  scopes: z.int(),
  /** Of them: closed for ever. An undoing cannot open them. */
  tombstones: z.int(),
  /** Of them: opened again by the undoing. */
  reopened: z.int(),
  /** Grants that are void and not marked yet, counted up to 100,000. */
  grants_waiting: z.int(),
  decided_at: z.string().nullable(),
  decided_by: z.string().nullable(),
  note: z.string().nullable(),
});

@Controller('v1/guard-trips')
export class GuardTripsController {
  constructor(
    private readonly database: Database,
    private readonly marking: MarkingWorker,
    private readonly undoing: GuardUndoing,
  ) {}

  @Get()
  list(@Query(valid(tripQuery)) { cursor, limit, ...filter }: z.output<typeof tripQuery>) {
    return this.database.read(async (tx) => {
      const rows = await readTrips(tx, filter, { before: cursor?.[0], limit: limit + 1 });
      return page(rows, limit, (row) => [row.id], viewOf);
    });
  }

  /** The marks that waited are written. */
  @Post(':id/confirm')
  @HttpCode(200)
  async confirm(
    @Param('id') tripId: string,
    @Body(valid(decision)) { note }: z.output<typeof decision>,
    @Caller() by: string,
  ): Promise<z.infer<typeof tripView>> {
    const trip = await this.database.transaction((tx) => decide(tx, tripId, { status: 'confirmed', by, note }));
    this.marking.wake();
    return trip;
  }

  /**
   * What it closed is opened again, with a moment of now, but for tombstones and for what somebody has closed since. What
   * was issued before stays void, as after every re-opening, and is marked so.
   */
  @Post(':id/undo')
  @HttpCode(200)
  async undo(
    @Param('id') tripId: string,
    @Body(valid(decision)) { note }: z.output<typeof decision>,
    @Caller() by: string,
  ): Promise<z.infer<typeof tripView>> {
    const trip = await this.database.transaction((tx) => decide(tx, tripId, { status: 'undone', by, note }));
    this.undoing.wake();
    this.marking.wake();
    return trip;
  }
}

/** Asked again, the same decision answers the same. Throws 404 `guard_trip_unknown`, 409 `guard_trip_decided`. */
export async function decide(
  tx: Tx,
  tripId: string,
  decision: { status: 'confirmed' | 'undone'; by: string; note: string },
): Promise<z.infer<typeof tripView>> {
  const read = async (): Promise<TripRow> => {
    const [trip] = id.safeParse(tripId).success
      ? await readTrips(tx, { id: tripId }, { before: undefined, limit: 1 })
      : [];
    if (!trip) throw new Problem(404, 'guard_trip_unknown', 'There is no trip of that id: see GET /v1/guard-trips.');
    return trip;
  };
  const { provider_id: providerId } = await read();
  // Whoever counts for this provider has either committed what it holds, or will see the decision.
  await lockGuardOf(tx, providerId);
  if (await decideTrip(tx, tripId, decision)) {
    await releaseMarking(tx, tripId);
    const action = decision.status === 'confirmed' ? 'guard.confirmed' : 'guard.undone';
    await appendAudit(tx, [
      { actor: decision.by, action, providerId, subject: tripId, reason: decision.note, sourceEventId: null },
    ]);
  }
  const trip = await read();
  if (trip.status !== decision.status) {
    throw new Problem(409, 'guard_trip_decided', `It was ${trip.status} already by ${trip.decided_by}.`);
  }
  return viewOf(trip);
}

function viewOf({ known_users, ...row }: TripRow): z.infer<typeof tripView> {
  return {
    ...row,
    tripped_at: row.tripped_at.toISOString(),
    decided_at: row.decided_at?.toISOString() ?? null,
    share: Math.min(1, row.users / Math.max(known_users, row.users, 1)),
  };
}
