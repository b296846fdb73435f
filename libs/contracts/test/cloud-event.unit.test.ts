import { decodeCloudEvent, encodeCloudEvent } from '#contracts/cloud-event.js';

test('an event is encoded in structured JSON mode, the same bytes each time, and read again', () => {
  const { value, headers } = encodeCloudEvent({
    id: 'one',
    source: '/portal',
    type: 'io.rescind.test.v1',
    subject: 'user_1',
    time: '2026-11-28T00:00:00.000Z',
    providerid: 'idp_1',
    data: { reason: 'é' },
  });
  expect(headers).toEqual({ 'content-type': 'application/cloudevents+json; charset=utf-8' });
  expect(value.toString('utf8')).toBe(
    '{"specversion":"1.0","id":"one","source":"/portal","type":"io.rescind.test.v1","subject":"user_1",' +
      '"time":"2026-11-28T00:00:00.000Z","datacontenttype":"application/json","providerid":"idp_1","data":{"reason":"é"}}',
  );
  expect(decodeCloudEvent(value)).toMatchObject({ id: 'one', providerid: 'idp_1', data: { reason: 'é' } });
});
