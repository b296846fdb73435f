import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { WebhookActivity } from '#contracts/webhook-activity.js';
import type { CompactedView } from '#kafka/compacted-view.js';
import { Caller } from '#platform/caller.js';
import { Database } from '#platform/database.js';
import { Problem } from '#platform/problem.js';
import { valid } from '#platform/validation.js';
import { unseal } from '#providers/sealing.js';
import {
  type Author,
  enableWebhook,
  endpointTokenOwner,
  live,
  lockForWebhook,
  pasteSecret,
  providerUnknown,
  retire,
} from './change-provider.js';
import { CONFIG, type PortalConfig } from '../config.js';
import { readProvider, type SecretRow } from './identity-providers.sql.js';
import { RECOMMENDED_EVENTS } from './recommended-events.js';
import { readPastedSecret } from './webhook-secret.js';

/** What webhook-ingress says of the endpoints: a view of `identity.webhook-activity`. */
export const WEBHOOK_ACTIVITY = Symbol('webhook activity');

export const pastedSecret = z.strictObject({ secret: z.string().max(10_000) });

export const enabledWebhookView = z.object({
  url: z.string(),
  /** Shown this once. */
  secret: z.string(),
  secret_id: z.string(),
});
export const secretView = z.object({
  id: z.string(),
  origin: z.enum(['generated', 'pasted']),
  created_at: z.string(),
  /** When it last signed a delivery that was stored. */
  last_used_at: z.string().nullable(),
});
export const webhookView = z.object({
  url: z.string(),
  /** In the providers file, and to be changed there. */
  declared: z.boolean(),
  created_at: z.string(),
  /** Live ones, oldest first. */
  secrets: z.array(secretView),
  /** Whether it is known what happened here; where it is not, null below says nothing. */
  activity_known: z.boolean(),
  /** The newest delivery that was stored; a few seconds late. */
  last_delivery_at: z.string().nullable(),
  /** The newest one that was not: when, the code of the answer, and the address it came from. */
  last_refused: z.object({ at: z.string(), code: z.string(), source: z.string() }).nullable(),
  recommended_events: z.array(z.object({ event: z.string(), why: z.string() })),
});

@Controller('v1/identity-providers/:id/webhook')
export class WebhookController {
  constructor(
    private readonly database: Database,
    @Inject(CONFIG) private readonly config: PortalConfig,
    @Inject(WEBHOOK_ACTIVITY) private readonly activity: CompactedView<WebhookActivity>,
  ) {}

  /** 201, or 200 where it was enabled before: then the URL is the same, and the secret is one more. */
  @Post()
  async enable(
    @Param('id') id: string,
    @Caller() actor: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<z.output<typeof enabledWebhookView>> {
    const enabled = await this.database.transaction(async (tx) =>
      enableWebhook(tx, await lockForWebhook(tx, id), this.author(actor)),
    );
    void reply.status(enabled.isNew ? 201 : 200).header('cache-control', 'no-store');
    return { url: this.urlOf(enabled.token), secret: enabled.secret, secret_id: enabled.secretId };
  }

  @Get()
  async status(@Param('id') id: string): Promise<z.output<typeof webhookView>> {
    const row = await this.database.read((tx) => readProvider(tx, id));
    if (!row) throw providerUnknown();
    const { webhook } = row;
    if (!webhook) throw new Problem(404, 'webhook_not_enabled', 'The webhook of this provider is not enabled.');
    const activity = this.activity.get(id);
    return {
      url: this.urlOf(unseal(webhook.token, endpointTokenOwner(id), this.config.encryptionKeys)),
      declared: webhook.declared,
      created_at: webhook.created_at,
      secrets: live(webhook).map((secret) => this.viewOf(id, secret)),
      activity_known: this.activity.isReady(),
      last_delivery_at: activity?.last_delivery_at ?? null,
      last_refused: activity?.last_refused ?? null,
      recommended_events: [...RECOMMENDED_EVENTS],
    };
  }

  /** 201, or 200 where this very secret is live already. */
  @Post('secrets')
  async paste(
    @Param('id') id: string,
    @Body(valid(pastedSecret)) body: z.output<typeof pastedSecret>,
    @Caller() actor: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<z.output<typeof secretView>> {
    const secret = readPastedSecret(body.secret);
    const { pasted, row } = await this.database.transaction(async (tx) => {
      const pasted = await pasteSecret(tx, await lockForWebhook(tx, id), secret, this.author(actor));
      return { pasted, row: await readProvider(tx, id) };
    });
    void reply.status(pasted.isNew ? 201 : 200);
    return this.viewOf(
      id,
      row!.webhook!.secrets.find((known) => known.id === pasted.id)!,
    );
  }

  @Delete('secrets/:secretId')
  @HttpCode(204)
  async retire(@Param('id') id: string, @Param('secretId') secretId: string, @Caller() actor: string): Promise<void> {
    await this.database.transaction(async (tx) => {
      await retire(tx, await lockForWebhook(tx, id), secretId, this.author(actor));
    });
  }

  private viewOf(providerId: string, { id, origin, created_at }: SecretRow): z.output<typeof secretView> {
    return { id, origin, created_at, last_used_at: this.activity.get(providerId)?.secrets[id] ?? null };
  }

  private author(actor: string): Author {
    return { actor, keys: this.config.encryptionKeys };
  }

  private urlOf(token: string): string {
    return `${this.config.webhookBaseUrl}/webhooks/workos/${token}`;
  }
}
