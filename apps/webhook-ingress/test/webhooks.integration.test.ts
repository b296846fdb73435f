import { once } from 'node:events';
import { connect } from 'node:net';
import { CLOUD_EVENT_CONTENT_TYPE, decodeCloudEvent } from '#contracts/cloud-event.js';
import { TOPICS } from '#contracts/topics.js';
import { decodeWorkOSRecord } from '#contracts/workos-event.js';
import type { ConsumedRecord } from '#kafka/record.js';
import { TopicReader } from '#kafka/topic-reader.js';
import { expectProblem, type Ingress, PREVIOUS, signatureOf, startIngress, userDeleted } from './ingress.js';

let ingress: Ingress;
beforeAll(async () => {
  ingress = await startIngress({ KAFKA_BROKERS: process.env['KAFKA_BROKERS'], MAX_IN_FLIGHT: '400' });
});
afterAll(() => ingress.close());

const deliver = (
  body: string | Buffer,
  { token = ingress.token, signature = signatureOf(body) as string | null, type = 'application/json' } = {},
): Promise<Response> =>
  fetch(`${ingress.base}/webhooks/workos/${token}`, {
    method: 'POST',
    headers: { 'content-type': type, ...(signature === null ? {} : { 'workos-signature': signature }) },
    body: new Uint8Array(Buffer.from(body)),
  });

/** The records of one event, once the reader has seen everything that was in the topic by now. */
async function recordsOf(eventId: string): Promise<ConsumedRecord[]> {
  const found: ConsumedRecord[] = [];
  const seen = new TopicReader(ingress.client, {
    topics: [TOPICS.workosEvents],
    onRecords: (batch) => void found.push(...batch),
  });
  await seen.start();
  await seen.caughtUp;
  await seen.close();
  return found.filter(({ value }) => decodeCloudEvent(value).id === eventId);
}

describe('stored', () => {
  test('200 comes when Kafka has the very bytes, under the key of the person', async () => {
    const body = userDeleted();
    const answer = await deliver(body);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ received: true });
    const [record, ...more] = await recordsOf(JSON.parse(body).id as string);
    expect(more).toEqual([]);
    expect(record!.value!.includes(Buffer.from(body))).toBe(true);
    expect(record!.key!.toString()).toBe(JSON.parse(body).data.id);
    expect(String(record!.headers['content-type'])).toBe(CLOUD_EVENT_CONTENT_TYPE);
    expect(decodeCloudEvent(record!.value)).toMatchObject({ providerid: 'idp_open', type: 'com.workos.user.deleted' });
  });

  test('a second delivery of the same event is stored too: it changes nothing', async () => {
    const body = userDeleted();
    const id = JSON.parse(body).id as string;
    expect((await deliver(body)).status).toBe(200);
    expect((await deliver(body)).status).toBe(200);
    expect(await recordsOf(id)).toHaveLength(2);
  });

  test('a type that nobody knows', async () => {
    const body = userDeleted({ event: 'nobody.knows.this' });
    expect((await deliver(body)).status).toBe(200);
    expect(await recordsOf(JSON.parse(body).id as string)).toHaveLength(1);
  });

  test('in shadow mode the record itself says so, and otherwise it does not', async () => {
    for (const [token, shadow] of [
      [ingress.shadowToken, true],
      [ingress.token, undefined],
    ] as const) {
      const body = userDeleted();
      expect((await deliver(body, { token })).status).toBe(200);
      const [record] = await recordsOf(JSON.parse(body).id as string);
      expect(decodeCloudEvent(record!.value).shadow).toBe(shadow);
      expect(decodeWorkOSRecord(record!.value).event.shadow).toBe(shadow ?? false);
    }
  });

  test('by the previous secret, while it is live', async () => {
    const body = userDeleted();
    expect((await deliver(body, { signature: signatureOf(body, { secret: PREVIOUS }) })).status).toBe(200);
  });

  test('whatever the content type says', async () => {
    expect((await deliver(userDeleted(), { type: 'text/plain' })).status).toBe(200);
  });

  test('the largest body that is promised: 1 MiB', async () => {
    const frame = userDeleted({ data: { id: 'user_large', pad: '' } });
    const body = frame.replace('"pad":""', `"pad":"${'x'.repeat(1_048_576 - frame.length)}"`);
    expect(Buffer.byteLength(body)).toBe(1_048_576);
    expect((await deliver(body)).status).toBe(200);
  });
});

describe('refused', () => {
  test.each([
    ['without a signature', null, 'signature_missing'],
    ['with a malformed one', 't=abc, v1=00', 'signature_malformed'],
    ['with one of other bytes', signatureOf('other'), 'signature_mismatch'],
  ])('401 %s', async (_, signature, code) => {
    await expectProblem(await deliver(userDeleted(), { signature }), 401, code);
  });

  test('401 when it is older than three minutes, or as far ahead', async () => {
    const body = userDeleted();
    for (const at of [Date.now() - 185_000, Date.now() + 185_000]) {
      await expectProblem(await deliver(body, { signature: signatureOf(body, { at }) }), 401, 'signature_stale');
    }
  });

  test('400 where the signed bytes are no event', async () => {
    for (const body of ['', '{', '[]', '{"id":"e"}', Buffer.from([0xff, 0xfe])]) {
      await expectProblem(await deliver(body), 400, 'body_malformed');
    }
  });

  test('401, not 400, where they are neither: nothing is read before the proof', async () => {
    await expectProblem(await deliver('{', { signature: signatureOf('[') }), 401, 'signature_mismatch');
  });

  test('404 at an endpoint that there is not', async () => {
    await expectProblem(await deliver(userDeleted(), { token: 'x'.repeat(43) }), 404, 'endpoint_unknown');
  });

  test('413 over 1 MiB', async () => {
    await expectProblem(await deliver(`"${'x'.repeat(1_048_576)}"`), 413, 'body_too_large');
  });

  test('503 where a secret cannot be opened: it may be the right one', async () => {
    const answer = await deliver(userDeleted(), { token: ingress.lockedToken });
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    await expectProblem(answer, 503, 'secret_unreadable');
  });

  test('nothing of what was refused is stored', async () => {
    const body = userDeleted();
    await deliver(body, { signature: null });
    expect(await recordsOf(JSON.parse(body).id as string)).toEqual([]);
  });
});

test('concurrent deliveries share produce requests', async () => {
  const metric = async (name: string): Promise<number> =>
    Number(
      new RegExp(`^${name}\\{[^}]*\\} (\\d+)`, 'm').exec(await (await fetch(`${ingress.base}/metrics`)).text())?.[1],
    );
  const requestsBefore = await metric('rescind_produce_batch_records_count');
  const recordsBefore = await metric('rescind_produce_batch_records_sum');
  const answers = await Promise.all(Array.from({ length: 300 }, () => deliver(userDeleted())));
  expect(answers.every(({ status }) => status === 200)).toBe(true);
  const stored = (await metric('rescind_produce_batch_records_sum')) - recordsBefore;
  expect(stored).toBe(300);
  expect((await metric('rescind_produce_batch_records_count')) - requestsBefore).toBeLessThan(stored);
});

test('more deliveries at once than can be held are sent back before their bodies are read, and come again', async () => {
  const port = Number(new URL(ingress.base).port);
  const half = Array.from({ length: 450 }, () => {
    const socket = connect(port, '127.0.0.1');
    socket.write(`POST /webhooks/workos/${ingress.token} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n{"id":`);
    return socket;
  });
  const answer = await eventuallyAnswered(503);
  expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
  await expectProblem(answer, 503, 'broker_unavailable');
  half.forEach((socket) => socket.destroy());
  await eventuallyAnswered(200);
});

/** Delivers until the answer is the one awaited; the test's own time bounds it. */
async function eventuallyAnswered(status: number): Promise<Response> {
  for (;;) {
    const answer = await deliver(userDeleted());
    if (answer.status === status) return answer;
  }
}

test('a body that stops midway holds nobody up and is not stored', async () => {
  const socket = connect(Number(new URL(ingress.base).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.write(`POST /webhooks/workos/${ingress.token} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"id":`);
  expect((await deliver(userDeleted())).status).toBe(200);
  socket.destroy();
});

test('health, metrics and the API description answer without a key', async () => {
  for (const path of ['/health/live', '/health/ready', '/metrics', '/openapi.json']) {
    expect((await fetch(ingress.base + path)).status).toBe(200);
  }
  const api = (await (await fetch(`${ingress.base}/openapi.json`)).json()) as { openapi: string; paths: object };
  expect(api.openapi).toMatch(/^3\.1/);
  expect(Object.keys(api.paths)).toEqual(['/webhooks/workos/{token}']);
});
