import { isOptional, type ServiceName } from './installation.js';

/** What was found out about an installation; undefined: it could not be. */
export interface Facts {
  now: number;
  services: ServiceFacts[];
  keyAccepted: boolean | undefined;
  providers: ProviderFacts[] | undefined;
  setAside: number | undefined;
  guardTrips: number | undefined;
  /** Undefined also where there is none. */
  canary: CanaryFacts | undefined;
  streams: StreamFacts[] | undefined;
  sources: SourceFacts[] | undefined;
}

/** `GET /v1/canary` of grants. */
export interface CanaryFacts {
  status: 'refused' | 'failing' | 'unknown' | 'not_configured';
  last: { at: string; refused_ms: number | null; problem: string | null } | null;
}

/** Of `GET /v1/streams` of signals. */
export interface StreamFacts {
  id: string;
  audience: string;
  status: string;
  status_reason: string | null;
  failures: number;
  last_error: string | null;
  pending: number;
  refused: number;
}

/** Of `GET /v1/sources` of signals. */
export interface SourceFacts {
  id: string;
  name: string;
  /** Null: it pushes. */
  poll: { polled_at: string | null; failures: number; last_error: string | null } | null;
  last_refusal: string | null;
  refused_at: string | null;
  unknown_subject_at: string | null;
  unknown_subject: string | null;
  stream_status: string | null;
  stream_reason: string | null;
  /** The stream that we have made there; null or (of an older signals) left out: a person has. */
  stream?: {
    stream_id: string | null;
    unanswered_since: string | null;
    ask_error: string | null;
  } | null;
}

export interface ServiceFacts {
  name: ServiceName;
  url: string | undefined;
  /** Why it does not answer. */
  unreachable?: string;
  ready?: boolean;
  /** What is missing, by what needs it. */
  missing?: Record<string, string>;
  /** Ids of the providers whose tokens it cannot check. */
  keysMissing?: string[];
  /** What about the topics may lose records. */
  topicProblems?: string[];
  /** Name → when it ends, ms. */
  certificates?: Record<string, number>;
  viewAgeMs?: number | null;
  /** Its clock before ours, ms. */
  clockAheadMs?: number;
}

export interface ProviderFacts {
  id: string;
  name: string;
  mode?: string;
  allowImpersonation: boolean;
  apiKeySet: boolean;
  published: boolean;
  kind: string;
  warnings: { code: string; message: string }[];
  /** Keys in its key set, or why there are none. */
  keys: number | string | undefined;
  webhook:
    | {
        url: string;
        /** What the endpoint answered to a request without a signature, or why it did not answer. */
        reached: string | undefined;
        activityKnown: boolean;
        lastDeliveryAt: string | null;
        lastRefused: { at: string; code: string } | null;
        secrets: { id: string; origin: string; lastUsedAt: string | null }[];
      }
    | undefined;
}

export interface Finding {
  level: 'ok' | 'warning' | 'problem' | 'unknown';
  about: string;
  /** In plain words: what is so, and what to do. */
  says: string;
}

const SKEW_MS = 5_000;
const DAY_MS = 86_400_000;
const QUIET_MS = 7 * DAY_MS;

const REFUSED: Record<string, string> = {
  signature_mismatch: 'paste the signing secret that WorkOS shows for this endpoint into the portal',
  signature_stale: 'the clock of webhook-ingress, or of a proxy that holds requests back, is wrong',
  signature_missing: 'somebody else calls the endpoint, or a proxy takes the WorkOS-Signature header away',
  source_not_allowed: 'WEBHOOK_SOURCES or TRUSTED_PROXIES of webhook-ingress do not fit what is before it',
  secret_unreadable: 'RESCIND_ENCRYPTION_KEYS of webhook-ingress lacks the key that the portal seals with',
  broker_unavailable: 'Kafka did not take the event; WorkOS sends it again',
};

/** What is right and what is not, in plain words. A pure function of the facts. */
export function diagnose(facts: Facts): Finding[] {
  return [
    ...facts.services.flatMap((service) => aboutService(service, facts.now)),
    ...aboutKey(facts),
    ...(facts.providers === undefined
      ? [unknown('identity providers', 'could not be read.')]
      : facts.providers.length === 0
        ? [
            problem(
              'identity providers',
              'There is none, so no token is accepted and no webhook comes in. Add one in the portal.',
            ),
          ]
        : facts.providers.flatMap((provider) => aboutProvider(provider, facts.now))),
    ...aboutQueues(facts),
    ...aboutCanary(facts),
    ...(facts.streams ?? []).flatMap(aboutStream),
    ...(facts.sources ?? []).flatMap((source) => aboutSource(source, facts.now)),
  ];
}

const ok = (about: string, says: string): Finding => ({ level: 'ok', about, says });
const warning = (about: string, says: string): Finding => ({ level: 'warning', about, says });
const problem = (about: string, says: string): Finding => ({ level: 'problem', about, says });
const unknown = (about: string, says: string): Finding => ({ level: 'unknown', about, says });

function aboutService(service: ServiceFacts, now: number): Finding[] {
  const { name, url, unreachable, ready, missing = {}, viewAgeMs, clockAheadMs } = service;
  if (url === undefined && isOptional(name)) return [];
  if (url === undefined) return [unknown(name, 'is not looked at: its URL is not set.')];
  if (unreachable !== undefined) return [problem(name, `does not answer: ${unreachable}`)];
  const found: Finding[] = [];
  if (ready) found.push(ok(name, 'is ready.'));
  for (const [what, why] of Object.entries(missing)) found.push(problem(name, `is not ready. ${what}: ${why}`));
  if (!ready && Object.keys(missing).length === 0) found.push(problem(name, 'is not ready, and does not say why.'));
  for (const id of service.keysMissing ?? []) {
    const says = `has no keys of ${id} and answers its tokens with 503: docs/runbooks/alerts.md#keys-are-missing says what to do.`;
    found.push(problem(name, says));
  }
  if (viewAgeMs === null) found.push(problem(name, 'has had no heartbeat of the relay yet: nobody is let in.'));
  if (clockAheadMs !== undefined && Math.abs(clockAheadMs) > SKEW_MS) {
    const seconds = Math.round(Math.abs(clockAheadMs) / 1_000);
    const which = clockAheadMs > 0 ? 'ahead of' : 'behind';
    found.push(
      problem(
        name,
        `Its clock is ${seconds} s ${which} this machine's. Tokens, signatures and heartbeats are judged by it: use NTP.`,
      ),
    );
  }
  for (const topic of service.topicProblems ?? []) {
    found.push(
      warning('topics', `${topic}. Mend it in Kafka; KAFKA_TOPIC_PROBLEMS=refuse makes a start wait for that.`),
    );
  }
  for (const [certificate, end] of Object.entries(service.certificates ?? {})) {
    const days = Math.floor((end - now) / DAY_MS);
    if (days >= 21) continue;
    const says = `The certificate ${certificate} ends at ${new Date(end).toISOString()}: docs/runbooks/alerts.md says what to do.`;
    found.push(days < 3 ? problem(name, says) : warning(name, says));
  }
  if (url.startsWith('http:') && !isLoopback(url)) {
    found.push(warning(name, `is asked over plain http (${url}): API keys and tokens can be read on the way.`));
  }
  return found;
}

const isLoopback = (url: string): boolean => /^http:\/\/(127\.|localhost|\[::1\])/.test(url);

function aboutKey({ keyAccepted }: Facts): Finding[] {
  if (keyAccepted === undefined) return [unknown('API key', 'could not be tried.')];
  return [
    keyAccepted
      ? ok('API key', 'is accepted.')
      : problem('API key', 'is refused: set RESCIND_API_KEY to one of RESCIND_API_KEYS.'),
  ];
}

function aboutProvider(provider: ProviderFacts, now: number): Finding[] {
  const about = `${provider.name} (${provider.id})`;
  const found = provider.warnings.map(({ message }) => warning(about, message));
  if (!provider.published)
    found.push(problem(about, 'Its newest change has not reached Kafka: the services follow an older one.'));
  if (typeof provider.keys === 'string')
    found.push(problem(about, `Its keys cannot be had from here: ${provider.keys}`));
  else if (provider.keys === 0) found.push(problem(about, 'Its key set is empty: no token of it can be verified.'));
  else if (provider.keys !== undefined) found.push(ok(about, `${provider.keys} key(s) in its key set.`));
  if (provider.mode === 'shadow')
    found.push(warning(about, 'is in shadow mode: its events are recorded and end nothing.'));
  if (provider.allowImpersonation) found.push(warning(about, 'accepts tokens of somebody who acts as another person.'));
  if (provider.kind === 'workos' && !provider.apiKeySet) {
    found.push(warning(about, 'has no API key, so webhooks that never came cannot be found through the Events API.'));
  }
  if (!provider.webhook) {
    if (provider.kind === 'workos')
      found.push(problem(about, 'has no webhook: nothing is learned of people who leave. Enable it in the portal.'));
    return found;
  }
  return [...found, ...aboutWebhook(about, provider.webhook, now)];
}

function aboutWebhook(about: string, webhook: NonNullable<ProviderFacts['webhook']>, now: number): Finding[] {
  const { reached, activityKnown, lastDeliveryAt, lastRefused, secrets } = webhook;
  const found: Finding[] = [];
  // A request without a signature has to be refused, and by us.
  if (reached === '401 signature_missing') found.push(ok(about, 'Its webhook URL leads to webhook-ingress.'));
  else if (reached === '403 source_not_allowed')
    found.push(
      ok(about, 'Its webhook URL leads to webhook-ingress, which takes deliveries from WEBHOOK_SOURCES alone.'),
    );
  else
    found.push(
      problem(
        about,
        `Its webhook URL does not lead to webhook-ingress from here: ${reached ?? 'not tried'}. Expected is 401 signature_missing.`,
      ),
    );
  if (!activityKnown) return [...found, unknown(about, 'When its webhook was last called is not known yet.')];
  if (lastDeliveryAt === null)
    found.push(
      warning(about, 'No delivery has come in yet. Is the URL in WorkOS, with its signing secret pasted here?'),
    );
  else if (now - Date.parse(lastDeliveryAt) > QUIET_MS)
    found.push(
      warning(about, `The last delivery came in on ${lastDeliveryAt}: is the endpoint still enabled in WorkOS?`),
    );
  else found.push(ok(about, `The last delivery came in at ${lastDeliveryAt}.`));
  // Without a signature it was not WorkOS: whoever looks whether the endpoint is there is refused so, this very command too.
  const isOurs = lastRefused?.code === 'signature_missing' && reached === '401 signature_missing';
  if (lastRefused && !isOurs && lastRefused.at > (lastDeliveryAt ?? '')) {
    found.push(
      problem(
        about,
        `The newest delivery was refused at ${lastRefused.at} with ${lastRefused.code}: ${REFUSED[lastRefused.code] ?? 'see the log of webhook-ingress'}.`,
      ),
    );
  }
  const pasted = secrets.filter(({ origin }) => origin === 'pasted');
  if (pasted.length > 1) {
    const unused = pasted.filter(({ lastUsedAt }) => lastUsedAt === null).length;
    found.push(
      warning(
        about,
        `A rotation is not finished: ${pasted.length} pasted secrets are live, ${unused} of them unused. Retire the old one.`,
      ),
    );
  }
  return found;
}

function aboutQueues({ setAside, guardTrips }: Facts): Finding[] {
  const found: Finding[] = [];
  if (setAside !== undefined) {
    found.push(
      setAside === 0
        ? ok('set aside', 'No record was set aside.')
        : problem(
            'set aside',
            `${setAside} record(s) were set aside; one may be a revocation. GET /v1/set-aside of grants says why.`,
          ),
    );
  }
  if (guardTrips !== undefined && guardTrips > 0) {
    found.push(
      problem(
        'guard',
        `${guardTrips} guard(s) have tripped: grants of people who are shut out wait for a decision. GET /v1/guard-trips of grants.`,
      ),
    );
  }
  return found;
}

function aboutCanary({ canary }: Facts): Finding[] {
  if (canary === undefined) return [];
  const { status, last } = canary;
  if (status === 'not_configured')
    return [warning('canary', 'is not configured: nobody tries the whole way each minute.')];
  if (status === 'unknown' || !last) return [warning('canary', 'has not run yet.')];
  return [
    status === 'refused'
      ? ok('canary', `A synthetic revocation was refused ${last.refused_ms} ms after its webhook, at ${last.at}.`)
      : problem(
          'canary',
          `The synthetic revocation of ${last.at} was not refused: ${last.problem ?? 'it is not said why'}.`,
        ),
  ];
}

function aboutStream({
  id,
  audience,
  status,
  status_reason,
  failures,
  last_error,
  pending,
  refused,
}: StreamFacts): Finding[] {
  const about = `stream ${id} (${audience})`;
  const found: Finding[] = [];
  if (status !== 'enabled') {
    found.push(warning(about, `is ${status}${status_reason ? ` (${status_reason})` : ''}: nobody is told by it.`));
  } else if (failures > 0 && pending > 0) {
    found.push(
      problem(
        about,
        `${pending} wait to be told, and ${failures} tries have failed: ${last_error ?? 'it is not said why'}.`,
      ),
    );
  }
  if (refused > 0) {
    found.push(problem(about, `refused ${refused}: GET /v1/deliveries?state=refused of signals says what and why.`));
  }
  return found;
}

/** For so long it is worth a word that a SET was refused, or of nobody. */
const LATELY_MS = 7 * 86_400_000;

function aboutSource(source: SourceFacts, now: number): Finding[] {
  const { poll, stream_status, stream_reason, refused_at, unknown_subject_at } = source;
  const isLately = (at: string | null): boolean => at !== null && now - Date.parse(at) < LATELY_MS;
  const about = `source ${source.name} (${source.id})`;
  const found: Finding[] = [];
  if (poll && poll.failures > 0) {
    const since = poll.polled_at === null ? 'it has never answered' : `it answered last at ${poll.polled_at}`;
    const why = poll.last_error ?? 'it is not said why';
    found.push(problem(about, `cannot be polled, ${poll.failures} tries have failed: ${why}; ${since}.`));
  }
  found.push(...aboutVerification(about, source.stream, now));
  if (stream_status !== null && stream_status !== 'enabled') {
    const why = stream_reason === null ? '' : ` (${stream_reason})`;
    found.push(warning(about, `says that its stream is ${stream_status}${why}: it tells of nobody.`));
  }
  if (isLately(refused_at)) {
    found.push(warning(about, `a SET of it was refused at ${refused_at}, and is lost: ${source.last_refusal}`));
  }
  if (isLately(unknown_subject_at)) {
    const says = `ended something at ${unknown_subject_at} of a subject that cannot be told here (${source.unknown_subject}): nothing ended.`;
    found.push(warning(about, says));
  }
  return found;
}

/** A verification that has not come by then will hardly come. */
const VERIFIED_WITHIN_MS = 600_000;

function aboutVerification(about: string, stream: SourceFacts['stream'], now: number): Finding[] {
  if (!stream) return [];
  const { stream_id, unanswered_since, ask_error } = stream;
  if (stream_id === null) {
    return [problem(about, 'has a stream that was never finished: it tells of nobody. Remove it, and add it again.')];
  }
  if (ask_error !== null) return [warning(about, `cannot be asked for a verification: ${ask_error}`)];
  if (unanswered_since === null || now - Date.parse(unanswered_since) < VERIFIED_WITHIN_MS) return [];
  return [
    problem(
      about,
      `was asked for a verification at ${unanswered_since}, and none has come since: what it says may not either.`,
    ),
  ];
}
