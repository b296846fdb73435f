import { randomUUID } from 'node:crypto';
import { Controller, Get, Header, HttpCode, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Permits, Public } from '#platform/api-key.guard.js';
import { Caller } from '#platform/caller.js';
import { Database } from '#platform/database.js';
import { Problem } from '#platform/problem.js';
import { valid } from '#platform/validation.js';
import { checkReceipt } from '#proof/check-receipt.js';
import { receiptFacts } from '#proof/receipt.js';
import { ask } from '../console/proxy.js';
import { UPSTREAMS, type Upstreams } from '../console/proxy.controller.js';
import { readPublicKeys, ReceiptSigner } from './receipt-keys.js';

export const receiptQuery = z.object({
  provider_id: z.string().min(1).max(255).optional(),
  organization_id: z.string().min(1).max(255).optional(),
});
export const jwksView = z.object({ keys: z.array(z.looseObject({ kid: z.string() })) });
export const receiptView = z.object({
  /** The receipt itself: `npx rescind verify-receipt` takes this answer as a file, or the JWS alone. */
  jws: z.string(),
  /** What is signed in it, to read. */
  receipt: receiptFacts,
  /** The keys of this installation, of which one signed; whoever checks has them from elsewhere, or compares the thumbprint. */
  jwks: jwksView,
});
export const rotatedView = z.object({ kid: z.string() });

/** Proof of deprovisioning: grants has the facts, the portal signs them. */
@Controller()
export class ReceiptController {
  constructor(
    private readonly database: Database,
    @Inject(ReceiptSigner) private readonly signer: ReceiptSigner,
    @Inject(UPSTREAMS) private readonly upstreams: Pick<Upstreams, 'grants'>,
  ) {}

  /** `Accept: application/jose`: the JWS alone. */
  @Permits('auditor')
  @Get('v1/users/:id/receipt')
  async get(
    @Param('id') userId: string,
    @Query(valid(receiptQuery)) query: z.output<typeof receiptQuery>,
    @Caller() actor: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<z.input<typeof receiptView> | string> {
    const receipt = await this.factsOf(userId, query, actor);
    const jws = await this.signer.sign(receipt, `receipt_${randomUUID()}`, Date.now());
    void reply.header('cache-control', 'no-store');
    if (/\bapplication\/jose\b/i.test(request.headers.accept ?? '')) {
      void reply.type('application/jose');
      return jws;
    }
    return { jws, receipt, jwks: await this.keys() };
  }

  /** Every key that ever signed a receipt (RFC 7517): what it has signed stays good. */
  @Public()
  @Get('.well-known/jwks.json')
  @Header('cache-control', 'public, max-age=300')
  async keys(): Promise<z.infer<typeof jwksView>> {
    const keys = await this.database.read(readPublicKeys);
    return { keys: keys.map(({ jwk, kid }) => ({ ...jwk, kid })) };
  }

  @Post('v1/signing-keys/rotate')
  @HttpCode(200)
  async rotate(@Caller() actor: string): Promise<z.infer<typeof rotatedView>> {
    return { kid: await this.signer.rotate(actor) };
  }

  /** Nothing is signed that does not hold by itself. */
  private async factsOf(
    userId: string,
    query: z.output<typeof receiptQuery>,
    actor: string,
  ): Promise<z.infer<typeof receiptFacts>> {
    const given = Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined);
    const search = given.length > 0 ? `?${new URLSearchParams(given).toString()}` : '';
    const target = `/v1/users/${encodeURIComponent(userId)}/receipt${search}`;
    const { status, body } = await ask(this.upstreams.grants, { method: 'GET', target, actor });
    const answer: unknown = JSON.parse(body.toString('utf8'));
    if (status !== 200) {
      const { code, detail } = answer as { code?: string; detail?: string };
      throw new Problem(status, code ?? 'grants_refused', detail, status === 503 ? RETRY : {});
    }
    const facts = receiptFacts.safeParse(answer);
    const wrong = facts.success ? checkReceipt(facts.data).problems[0] : 'it has another form';
    if (!facts.success || wrong !== undefined) {
      throw new Problem(502, 'receipt_not_signed', `What grants says of them does not hold: ${wrong}.`);
    }
    return facts.data;
  }
}

const RETRY = { headers: { 'retry-after': '1' } };
