import { z } from 'zod';
import { openApi } from '#platform/open-api.js';

export const INGRESS_OPEN_API = openApi(
  {
    title: 'Rescind webhook-ingress',
    description: 'Takes signed WorkOS webhooks and answers 200 once Kafka holds them.',
  },
  [
    {
      method: 'post',
      path: '/webhooks/workos/{token}',
      operationId: 'receiveWebhook',
      summary: 'One delivery of a WorkOS event',
      security: 'webhook_signature',
      headers: z.object({
        'WorkOS-Signature': z.string().describe('t=<ms since the epoch>, v1=<hex HMAC-SHA256 of t.body>'),
      }),
      body: z.looseObject({ id: z.string(), event: z.string(), data: z.looseObject({}) }),
      responses: {
        200: {
          description: 'Stored; also a duplicate or a type without effect.',
          schema: z.object({ received: z.literal(true) }),
        },
      },
      problems: {
        400: ['body_malformed'],
        401: ['signature_missing', 'signature_malformed', 'signature_stale', 'signature_mismatch'],
        403: ['source_not_allowed'],
        404: ['endpoint_unknown'],
        413: ['body_too_large'],
        429: ['rate_limited'],
        503: ['broker_unavailable', 'secret_unreadable'],
      },
    },
  ],
);
