import type { Verdict, Verifier } from './verifier.js';
import type { Heartbeats } from '#revocation/heartbeats.js';
import type { FirstRefusals } from './first-refusals.js';
import type { RefusalReporter } from './refusal-reporter.js';
import type { SignInReporter } from './sign-in-reporter.js';
import type { VerificationMetrics } from './verification-metrics.js';
import { Problem } from '#platform/problem.js';

/** The answer, where there is one. */
export type Judged = Exclude<Verdict, { kind: 'unknown' }>;

/** The one way to a verdict, for every route: counted, and a person who is seen for the first time is reported. */
export class TokenService {
  constructor(
    private readonly verifier: Verifier,
    private readonly heartbeats: Heartbeats,
    private readonly signIns: SignInReporter,
    private readonly refusals: RefusalReporter,
    private readonly firstRefusals: FirstRefusals,
    private readonly metrics: VerificationMetrics,
  ) {}

  /** At once, unless keys have to be fetched. Throws 503 `view_stale` or `keys_unavailable` where it cannot know. */
  judge(token: string): Judged | Promise<Judged> {
    const startedAt = performance.now();
    const verdict = this.verifier.verify(token);
    if (verdict instanceof Promise) return verdict.then((later) => this.conclude(later, startedAt));
    return this.conclude(verdict, startedAt);
  }

  private conclude(verdict: Verdict, startedAt: number): Judged {
    this.metrics.judged(verdict, performance.now() - startedAt);
    if (verdict.kind === 'unknown') throw unknown(verdict.code);
    if (verdict.kind === 'active') this.signIns.seen(verdict.verified);
    else if (verdict.verified) {
      this.refusals.refused(verdict.verified, verdict.reason);
      this.firstRefusals.refused(verdict.verified, verdict.reason);
    }
    return verdict;
  }

  /** The moment that the view is proved to have reached, RFC 3339. */
  asOf(): string | null {
    return this.heartbeats.asOf;
  }
}

const DETAIL = {
  view_stale: 'What was revoked lately may not be known here: let nobody in, ask again.',
  keys_unavailable: "The provider's keys cannot be had: let nobody in, ask again.",
};

function unknown(code: keyof typeof DETAIL): Problem {
  return new Problem(503, code, DETAIL[code], { headers: { 'retry-after': '1' } });
}
