import { createHmac } from 'node:crypto';
import { verifySignature } from '#workos/signature.js';
import { peer } from './peers.js';
import { compare, type Row } from './row.js';

/** The check of one webhook's signature, in process; floor: the bare HMAC; peer: WorkOS's own SDK. */
export async function signature(): Promise<Row[]> {
  const secret = 'whsec_0FWAiVGkEfGBqqsJH4aNAGBJ4';
  const body = Buffer.from(
    JSON.stringify({
      id: 'event_01EHZNVPK3SFK441A1RGBFS000',
      object: 'event',
      event: 'user.deleted',
      data: { object: 'user', id: 'user_01E4ZCR3C56J083X43JQXF3JK5', metadata: { note: 'x'.repeat(700) } },
      created_at: '2026-01-15T12:00:00.000Z',
    }),
  );
  const t = String(Date.now());
  const digest = createHmac('sha256', secret).update(`${t}.`).update(body).digest('hex');
  const header = `t=${t}, v1=${digest}`;
  const secrets = [{ id: 'current', secret }];
  const now = new Date();

  const { ours, floor } = compare({
    floor: () => createHmac('sha256', secret).update(`${t}.`).update(body).digest(),
    ours: () => verifySignature(body, header, secrets, now),
  });
  const sdk = await sdkRate(body.toString(), header, secret);
  return [
    {
      name: `webhook signature check, ${body.length} bytes`,
      value: ours,
      unit: '/s',
      floor,
      peer: { name: '@workos-inc/node', value: sdk },
      ratio: ours / floor,
      target: '≥ 0.8 of bare HMAC',
      met: ours / floor >= 0.8,
    },
  ];
}

async function sdkRate(payload: string, sigHeader: string, secret: string): Promise<number> {
  const { WorkOS } = await peer<WorkOSModule>('@workos-inc/node');
  const { webhooks } = new WorkOS('sk_test_bench');
  const started = performance.now();
  let count = 0;
  for (; performance.now() - started < 1_500; count++) {
    await webhooks.verifyHeader({ payload, sigHeader, secret, tolerance: 3_600_000 });
  }
  return (count * 1_000) / (performance.now() - started);
}

interface WorkOSModule {
  WorkOS: new (apiKey: string) => {
    webhooks: {
      verifyHeader(request: {
        payload: string;
        sigHeader: string;
        secret: string;
        tolerance: number;
      }): Promise<boolean>;
    };
  };
}
