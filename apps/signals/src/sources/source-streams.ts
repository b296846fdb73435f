import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import type { Database } from '#platform/database.js';
import type { Logger } from '#platform/logging.js';
import { Problem } from '#platform/problem.js';
import type { EncryptionKeys } from '#providers/sealing.js';
import type { SignalsConfig } from '../config.js';
import { deliveryUrl } from '../delivery-url.js';
import { keptReason, type StreamStatus } from '../domain/received.js';
import { SourceAuthorization } from './source-authorization.js';
import {
  askFailed,
  insertSourceStream,
  readDueVerifications,
  readSourceOf,
  streamMade,
  verificationAsked,
} from './source-streams.sql.js';
import {
  type Credentials,
  deleteSource,
  insertPoll,
  insertSource,
  type NewSource,
  noteStream,
  readSource,
  type SourceRow,
  type SourceStream,
} from './sources.sql.js';
import {
  deliveryOf,
  EVENTS_REQUESTED,
  findTransmitter,
  type FoundTransmitter,
  type Method,
  Transmitter,
  type TransmittersStream,
  type WantedStream,
} from './transmitter.js';

/** How soon it is seen that a verification is due. */
const LOOK_EVERY_MS = 1_000;
/** Of one request: somebody waits for it, behind a portal that waits for ten seconds. */
const LONGEST_MS = 6_000;

export interface SourceStreamsParts {
  database: Database;
  encryption: EncryptionKeys;
  settings: Pick<SignalsConfig, 'allowLocalHosts' | 'deliveryTimeoutMs' | 'sourceVerificationSeconds'>;
  logger: Logger;
}

/** A stream that is to be made for a source, or taken over. */
export interface NewStream {
  method: Method;
  credentials: Credentials;
  /** Where it pushes to, and with which header. */
  push: { url: string; header: string };
  /** The stream that is there already. */
  adopt: string | undefined;
  /** What its SETs have to be for; undefined: as it says. */
  audience: string | undefined;
}

/**
 * Streams at other transmitters that we make ourselves, as a receiver does (SSF 1.0, section 8): make or take over, verify, look at,
 * delete. Throws {@link Problem}s that say what to do.
 */
export class SourceStreams {
  constructor(private readonly parts: SourceStreamsParts) {}

  find(issuer: string): Promise<FoundTransmitter> {
    return findTransmitter(issuer, this.options);
  }

  /**
   * The source stands before its stream is asked for, so that nothing is pushed to nobody; where the stream is not to be had, both go.
   * Undefined: another source has this name.
   */
  async connect(source: Omit<NewSource, 'audience' | 'poll'>, wanted: NewStream): Promise<SourceRow | undefined> {
    const { database, logger } = this.parts;
    const found = await this.find(source.issuer);
    if (!found.delivery_methods.includes(wanted.method)) {
      const can = found.delivery_methods.join(' and ') || 'neither push nor poll';
      throw new Problem(
        422,
        'delivery_method_unsupported',
        `It does not ${wanted.method}: it says that it can ${can}.`,
      );
    }
    const { configuration_endpoint, status_endpoint, verification_endpoint } = found;
    const endpoints = { configuration_endpoint, status_endpoint, verification_endpoint };
    const inserted = await database.transaction(async (tx) => {
      const row = await insertSource(tx, { ...source, audience: wanted.push.url, poll: null });
      if (row) await insertSourceStream(tx, source.id, { ...wanted.credentials, ...endpoints });
      return row;
    });
    if (!inserted) return undefined;
    const transmitter = this.at(source, { ...wanted.credentials, configuration_endpoint });
    let madeId: string | undefined;
    try {
      if (wanted.adopt !== undefined) await this.refuseTaken(configuration_endpoint, wanted.adopt);
      const stream = await this.makeOrAdopt(transmitter, source.id, wanted);
      await this.refuseTaken(configuration_endpoint, stream.stream_id);
      if (wanted.adopt === undefined) madeId = stream.stream_id;
      this.refuseUnfit(source.issuer, stream, wanted);
      return await database.transaction(async (tx) => {
        const poll = { ...wanted.credentials, endpoint_url: stream.delivery.endpoint_url! };
        if (wanted.method === 'poll') await insertPoll(tx, source.id, poll);
        await streamMade(tx, source.id, {
          stream_id: stream.stream_id,
          audiences: wanted.audience === undefined ? stream.aud : [wanted.audience],
          events_delivered: stream.events_delivered ?? null,
          min_verification_interval: stream.min_verification_interval ?? null,
        });
        return readSource(tx, source.id);
      });
    } catch (error) {
      const line = { source_id: source.id, stream_id: madeId };
      logger.warn({ ...line, why: wordsOf(error) }, 'a source could not be connected');
      // Of what was made, and will not be used, nothing is to stay.
      if (madeId !== undefined) {
        await transmitter.delete(madeId).catch((why: unknown) => {
          logger.warn({ ...line, why: wordsOf(why) }, 'a stream that is not used could not be deleted');
        });
      }
      await database.transaction((tx) => deleteSource(tx, source.id));
      throw error;
    }
  }

  /** Two sources with one stream: whoever removes the one would silence the other. */
  private async refuseTaken(endpoint: string, streamId: string): Promise<void> {
    const name = await this.parts.database.read((tx) => readSourceOf(tx, endpoint, streamId));
    if (name === undefined) return;
    throw new Problem(409, 'stream_in_use', `The source ${name} has this stream: remove that one first.`);
  }

  private async makeOrAdopt(
    transmitter: Transmitter,
    sourceId: string,
    wanted: NewStream,
  ): Promise<TransmittersStream> {
    const description = `rescind ${sourceId}`;
    const delivery = deliveryOf(wanted.method, wanted.push);
    const body: WantedStream = { delivery, events_requested: EVENTS_REQUESTED, description };
    if (wanted.adopt !== undefined) return transmitter.update(wanted.adopt, body);
    const stream = await transmitter.create(body).catch((error: unknown) => {
      if (!(error instanceof Problem) || error.status !== 502) throw error;
      const more = `Whether it has made a stream is not known: if so, it is called ${description} there.`;
      throw new Problem(error.status, error.code, `${error.detail} ${more}`);
    });
    if (stream) return stream;
    const streams = await transmitter.list();
    throw new Problem(
      409,
      'stream_exists',
      'It allows us one stream, and there is one: adopt it, or delete it there.',
      {
        extra: {
          streams: streams.map(({ stream_id, description: called, delivery: { endpoint_url } }) => ({
            stream_id,
            description: called ?? null,
            endpoint_url: endpoint_url ?? null,
          })),
        },
      },
    );
  }

  /** A stream that is of another issuer, that can end nothing, or that somebody else hears, is none. */
  private refuseUnfit(issuer: string, stream: TransmittersStream, { method, push, audience }: NewStream): void {
    const { iss, delivery, events_delivered, aud } = stream;
    // SSF 1.0, sections 8.1.1.1 and 8.1.1.3: a receiver must look.
    if (iss !== issuer) throw unfit('The stream is of another issuer.');
    const wanted = deliveryOf(method, push);
    if (delivery.method !== wanted.method || (method === 'push' && delivery.endpoint_url !== wanted.endpoint_url)) {
      throw unfit('The stream is delivered otherwise than it was asked to be.');
    }
    if (
      method === 'poll' &&
      !deliveryUrl(this.parts.settings.allowLocalHosts).safeParse(delivery.endpoint_url).success
    ) {
      throw unfit('The endpoint_url that it answered is none that may be polled.');
    }
    if (audience !== undefined && !aud.includes(audience)) {
      const words = `Its SETs are for ${aud.join(', ')}, and not for the audience that was given.`;
      throw new Problem(422, 'audience_unexpected', words);
    }
    if (events_delivered && !events_delivered.some((type) => EVENTS_REQUESTED.includes(type))) {
      const events = EVENTS_REQUESTED.map((type) => type.split('/').at(-1)).join(', ');
      throw new Problem(422, 'events_unsupported', `It would deliver nothing that ends access (${events}).`);
    }
  }

  /** Its answer comes over the stream, perhaps before this resolves. */
  async verify(source: SourceRow): Promise<void> {
    const { database } = this.parts;
    const { stream, stream_id } = finished(source);
    if (stream.verification_endpoint === null) {
      throw new Problem(409, 'verification_unsupported', 'It has no verification_endpoint: it cannot be asked.');
    }
    const state = randomBytes(16).toString('base64url');
    await database.transaction((tx) => verificationAsked(tx, source.id, state));
    try {
      await this.at(source, stream).verify(stream.verification_endpoint, stream_id, state);
    } catch (error) {
      await database.transaction((tx) => askFailed(tx, source.id, state, wordsOf(error)));
      throw error;
    }
  }

  /** As its transmitter has it now; what it says is kept as if it had said so over the stream. */
  async status(source: SourceRow): Promise<{ status: StreamStatus; reason: string | null }> {
    const { stream, stream_id } = finished(source);
    if (stream.status_endpoint === null) {
      throw new Problem(409, 'status_unsupported', 'It has no status_endpoint: it cannot be asked.');
    }
    const askedAt = Date.now();
    const { status, reason } = await this.at(source, stream).status(stream.status_endpoint, stream_id);
    const said = keptReason(reason);
    await this.parts.database.transaction((tx) =>
      noteStream(tx, source.id, { kind: 'status', status, reason: said, at: askedAt }),
    );
    return { status, reason: said };
  }

  /** At its transmitter. Answers why it may be there still; undefined: it is not, or never was ours. */
  async end(source: SourceRow): Promise<string | undefined> {
    const { stream } = source;
    if (!stream) return undefined;
    if (stream.stream_id === null) return 'Whether a stream was made for it is not known: look there.';
    try {
      await this.at(source, stream).delete(stream.stream_id);
      return undefined;
    } catch (error) {
      const why = wordsOf(error);
      this.parts.logger.warn({ source_id: source.id, why }, 'the stream of a source could not be deleted');
      return why;
    }
  }

  /** Asks each stream for a verification in its interval, so that silence is not taken for good news. Runs until it must not any more. */
  async lead(connection: pg.Client, signal: AbortSignal): Promise<void> {
    const { database, settings, logger } = this.parts;
    while (!signal.aborted) {
      const due = await readDueVerifications(connection, settings.sourceVerificationSeconds);
      await Promise.all(
        due.map(async (id) => {
          try {
            const source = await database.read((tx) => readSource(tx, id));
            if (source) await this.verify(source);
          } catch (error) {
            logger.warn({ source_id: id, why: wordsOf(error) }, 'no verification could be asked for');
          }
        }),
      );
      await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  private at(
    { id, issuer }: Pick<SourceRow, 'id' | 'issuer'>,
    stream: Credentials & Pick<SourceStream, 'configuration_endpoint'>,
  ): Transmitter {
    const authorization = new SourceAuthorization(id, stream, this.parts.encryption, this.options);
    return new Transmitter(issuer, stream.configuration_endpoint, authorization, this.options);
  }

  private get options(): { allowLocalHosts: boolean; timeoutMs: number } {
    const { allowLocalHosts, deliveryTimeoutMs } = this.parts.settings;
    return { allowLocalHosts, timeoutMs: Math.min(deliveryTimeoutMs, LONGEST_MS) };
  }
}

function finished({ stream }: SourceRow): { stream: SourceStream; stream_id: string } {
  if (!stream) {
    throw new Problem(
      409,
      'source_not_connected',
      'A person has made its stream: ask its transmitter, or whoever did.',
    );
  }
  if (stream.stream_id === null) {
    throw new Problem(
      409,
      'source_not_connected',
      'Its stream was never finished: remove the source, and add it again.',
    );
  }
  return { stream, stream_id: stream.stream_id };
}

const unfit = (detail: string): Problem => new Problem(502, 'transmitter_answer_invalid', detail);

/** For whoever has to mend it. */
const wordsOf = (error: unknown): string =>
  error instanceof Problem ? error.detail! : 'A fault of ours: see the log.';
