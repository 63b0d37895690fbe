import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { act, book, openClinic, type Clinic } from '../../test/support/factories-appointments.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';

let hub: TestHub;
let clinic: Clinic;
let late: { id: string; practiceId: string };
let early: { id: string };
let request: { id: string; practiceId: string };

beforeAll(async () => {
  hub = await startTestHub();
  clinic = await openClinic(hub);
  late = await book(hub, clinic, '2031-05-03T10:00:00Z');
  early = await book(hub, clinic, '2031-05-01T10:00:00Z', {
    externalIds: [{ system: 's', value: '1' }],
  });
  request = await book(hub, clinic, '2031-05-02T10:00:00Z', { status: 'proposed' });
  await act(hub, late, 'cancel');
});
afterAll(() => hub?.close());

const list = (query: string) =>
  hub.api('GET', `/v1/practices/${clinic.practiceId}/appointments?${query}`);
const idsOf = async (query: string) =>
  (await list(query)).body.data.map(({ id }: { id: string }) => id);

it('is in order of creation', async () => {
  expect(await idsOf('')).toEqual([late.id, early.id, request.id]);
});

it('is filtered by start: from, and before to', async () => {
  expect(await idsOf('from=2031-05-02T10:00:00Z')).toEqual([late.id, request.id]);
  expect(await idsOf('to=2031-05-02T10:00:00Z')).toEqual([early.id]);
  const both = 'from=2031-05-01T00:00:00Z&to=2031-05-03T00:00:00Z';
  expect(await idsOf(both)).toEqual([early.id, request.id]);
});

it('is filtered by status, patient and external id', async () => {
  expect(await idsOf('status=cancelled')).toEqual([late.id]);
  expect(await idsOf('status=booked,proposed')).toEqual([early.id, request.id]);
  expect(await idsOf(`patientId=${clinic.patientId}`)).toHaveLength(3);
  expect(await idsOf(`patientId=${clinic.accountId}`)).toEqual([]);
  expect(await idsOf('externalId=s%7C1')).toEqual([early.id]);
  const wrong = await list('status=done');
  expect(wrong.status).toBe(422);
  expect(wrong.body.errors).toMatchObject([{ parameter: 'status' }]);
});

it('is followed by its cursor, also while something moves', async () => {
  const first = await list('limit=2');
  expect(first.headers.get('hub-position')).toEqual(expect.any(String));
  expect(first.body.data).toHaveLength(2);
  const earlier = { start: '2031-04-01T10:00:00Z', end: '2031-04-01T10:30:00Z' };
  expect((await act(hub, request, 'reschedule', earlier)).status).toBe(200);
  const second = await list(`limit=2&after=${first.body.nextCursor}`);
  expect(second.body).toMatchObject({ data: [{ id: request.id }], nextCursor: null });
  expect(second.body.data).toHaveLength(1);
});
