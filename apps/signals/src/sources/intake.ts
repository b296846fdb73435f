import { errors, type JWTPayload, jwtVerify } from 'jose';
import { CLOUD_EVENT_CONTENT_TYPE } from '#contracts/cloud-event.js';
import { TOPICS } from '#contracts/topics.js';
import { encodeWorkOSRecord, readWorkOSEnvelope } from '#contracts/workos-event.js';
import type { BatchPublisher } from '#kafka/publisher.js';
import type { Database } from '#platform/database.js';
import type { Logger } from '#platform/logging.js';
import type { ProviderRegistry } from '#providers/registry.js';
import { type CheckedSet, meaningOf, wordOnStream } from '../domain/received.js';
import { readSetClaims, SetRefused } from './read-set.js';
import type { SignalsMetrics } from '../signals-metrics.js';
import { KeysUnavailable, type SourceKeys } from './source-keys.js';
import { noteStream, noteUnknownSubject, type SourceRow } from './sources.sql.js';

const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'];
/** How soon keys are read again for a SET that none of them has signed. */
const KEYS_COOLDOWN_MS = 30_000;

export interface IntakeParts {
  database: Database;
  keys: SourceKeys;
  publisher: Pick<BatchPublisher, 'publish'>;
  providers: Pick<ProviderRegistry, 'get'>;
  metrics: SignalsMetrics;
  logger: Logger;
}

export interface TakeOptions {
  /** What it has to be called. */
  jti?: string;
  /** How old keys may be for which a SET is refused; left out: half a minute. */
  keysMaxAgeMs?: () => number;
}

/** What other transmitters say, pushed or polled: checked, and then an event on `workos.events`. */
export class Intake {
  constructor(private readonly parts: IntakeParts) {}

  /**
   * Resolves once every in-sync replica of Kafka holds what the SET means; the same SET again is the same event again. Throws
   * {@link SetRefused} for one that will never be taken; `KeysUnavailable` and `BrokerUnavailable` for one that has to come again.
   */
  async take(source: SourceRow, set: string, options: TakeOptions = {}): Promise<void> {
    const { metrics, logger } = this.parts;
    try {
      const checked = readSetClaims(await this.verify(source, set, options), new Date());
      if (options.jti !== undefined && checked.jti !== options.jti) {
        throw new SetRefused('invalid_request', 'Its jti is not the one that it was sent under.');
      }
      metrics.receivedSet(await this.publish(source, checked));
    } catch (error) {
      if (error instanceof SetRefused) {
        metrics.receivedSet(error.err);
        logger.warn({ source_id: source.id, err_code: error.err, why: error.message }, 'SET refused');
      }
      throw error;
    }
  }

  /** Signature, type, issuer and audience first; what SSF 1.0 (section 4) and RFC 8417 ask of a SET comes after. */
  private async verify(source: SourceRow, set: string, { keysMaxAgeMs }: TakeOptions): Promise<JWTPayload> {
    const { keys } = this.parts;
    const options = {
      issuer: source.issuer,
      audience: source.stream?.audiences ?? source.audience,
      typ: 'secevent+jwt',
      algorithms: ALGORITHMS,
    };
    const verifyWith = async (maxAgeMs?: number): Promise<JWTPayload> =>
      (await jwtVerify(set, await keys.of(source, maxAgeMs), options)).payload;
    try {
      return await verifyWith().catch((error: unknown) => {
        if (isAboutKeys(error)) return verifyWith(keysMaxAgeMs?.() ?? KEYS_COOLDOWN_MS);
        throw error;
      });
    } catch (error) {
      throw error instanceof KeysUnavailable ? error : refusalOf(error);
    }
  }

  private async publish(source: SourceRow, set: CheckedSet): Promise<'taken' | 'no_effect' | 'unknown_subject'> {
    const { database, providers, publisher, logger } = this.parts;
    const provider = providers.get(source.provider_id);
    const issuers = [...(provider?.issuers ?? []), ...source.subject_issuers];
    const meaning = meaningOf(set, { sourceId: source.id, providerId: source.provider_id, issuers });
    const line = { source_id: source.id, jti: set.jti };
    if ('nothing' in meaning) {
      const word = wordOnStream(set);
      if (word && !(await database.transaction((tx) => noteStream(tx, source.id, word)))) {
        throw new SetRefused('invalid_state', 'Nobody here has asked for a verification with this state.');
      }
      if (meaning.nothing === 'subject') {
        await database.transaction((tx) => noteUnknownSubject(tx, source.id, meaning.format));
      }
      logger.info({ ...line, no_effect: meaning.nothing, stream: word?.kind }, 'SET received');
      return meaning.nothing === 'subject' ? 'unknown_subject' : 'no_effect';
    }
    const bytes = Buffer.from(JSON.stringify(meaning.event));
    const envelope = readWorkOSEnvelope(bytes);
    const about = { id: source.provider_id, mode: provider?.mode ?? 'enforced' } as const;
    await publisher.publish(TOPICS.workosEvents, {
      key: envelope.key,
      value: encodeWorkOSRecord(bytes, envelope, about, new Date(), 'signal'),
      headers: { 'content-type': CLOUD_EVENT_CONTENT_TYPE },
    });
    logger.info({ ...line, event_id: meaning.event.id }, 'SET received');
    return 'taken';
  }
}

const isAboutKeys = (error: unknown): boolean =>
  error instanceof errors.JWSSignatureVerificationFailed ||
  error instanceof errors.JWKSNoMatchingKey ||
  error instanceof errors.JWKSMultipleMatchingKeys;

/** Of jose's errors, the word of RFC 8935. */
function refusalOf(error: unknown): SetRefused {
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'iss') return new SetRefused('invalid_issuer', 'iss is not that of this source.');
    if (error.claim === 'aud') return new SetRefused('invalid_audience', 'aud is not that of this source.');
    return new SetRefused('invalid_request', `${error.claim} is not as it should be.`);
  }
  if (isAboutKeys(error)) return new SetRefused('invalid_key', 'No key of the issuer has signed this.');
  // A key that is too short, or is none: jose says so in errors of the runtime.
  if (!(error instanceof errors.JOSEError)) {
    return new SetRefused('invalid_key', 'The key of the issuer that signed this cannot be used.');
  }
  return new SetRefused('invalid_request', 'This is no SET that is signed with an allowed algorithm.');
}
