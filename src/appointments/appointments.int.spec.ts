import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  act,
  book,
  eventsOf,
  inMinutes,
  openClinic,
  patch,
  remindersOf,
  type Clinic,
} from '../../test/support/factories-appointments.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';

let hub: TestHub;
let clinic: Clinic;
const start = '2031-03-10T14:30:00.000Z';
const end = '2031-03-10T15:00:00.000Z';
const path = (appointment?: { id: string }) =>
  `/v1/practices/${clinic.practiceId}/appointments${appointment ? `/${appointment.id}` : ''}`;
const create = (body: Record<string, unknown>, headers?: Record<string, string>) =>
  hub.api('POST', path(), { patientId: clinic.patientId, start, end, ...body }, headers);
const typesOf = async (appointment: { id: string }) =>
  (await eventsOf(hub, appointment)).map(({ type }) => type);

beforeAll(async () => {
  hub = await startTestHub();
  clinic = await openClinic(hub);
});
afterAll(() => hub?.close());

describe('booking', () => {
  it('answers with the resource and says appointment.scheduled', async () => {
    const details = {
      type: { code: 'D1110', name: 'Adult prophylaxis' },
      providers: [{ id: 'hyg-2', name: 'Ruth Okafor', role: 'hygienist' }],
      operatory: { id: 'op-3', name: 'Operatory 3' },
      note: 'First visit.\nNeeds a form.',
      externalIds: [{ system: 'open-dental', value: '80231' }],
    };
    const { status, headers, body } = await create({
      start: '2031-03-10T09:30:00-05:00',
      end: '2031-03-10T10:00:00-05:00',
      ...details,
    });
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.any(String),
      practiceId: clinic.practiceId,
      patientId: clinic.patientId,
      start,
      end,
      timeZone: 'America/Chicago',
      localStart: '2031-03-10T09:30:00',
      ...details,
      status: 'booked',
      confirmation: 'unconfirmed',
      sequence: 0,
      seatedAt: null,
      cancelledBy: null,
      cancelReason: null,
      version: 1,
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
    });
    expect(headers.get('etag')).toBe('"1"');
    expect(headers.get('location')).toBe(`${hub.url}${path(body)}`);
    expect((await hub.api('GET', path(body))).body).toEqual(body);

    const [event, ...others] = await eventsOf(hub, body);
    expect(others).toEqual([]);
    expect(event).toMatchObject({ type: 'appointment.scheduled', subjectVersion: 1 });
    expect(event!.data).toEqual({
      appointmentId: body.id,
      patientId: clinic.patientId,
      accountId: clinic.accountId,
      sequence: 0,
      start,
      end,
      timeZone: 'America/Chicago',
      localStart: '2031-03-10T09:30:00',
      status: 'booked',
      confirmation: 'unconfirmed',
      ...details,
    });
  });

  it('accepts overlaps', async () => {
    expect((await create({})).status).toBe(201);
    expect((await create({})).status).toBe(201);
  });

  it('happens once per Idempotency-Key', async () => {
    const key = { 'idempotency-key': 'booking-1' };
    const first = await create({}, key);
    const again = await create({}, key);
    expect(again.body).toEqual(first.body);
    expect(await typesOf(first.body)).toEqual(['appointment.scheduled']);
  });

  it.each<[string, Record<string, unknown>, string, string]>([
    ['an end before the start', { end: '2031-03-10T14:00:00Z' }, '/end', 'end_not_after_start'],
    ['an end at the start', { end: start }, '/end', 'end_not_after_start'],
    ['more than a week', { end: '2031-03-18T14:30:00Z' }, '/end', 'too_long'],
    ['a time without an offset', { start: '2031-03-10T14:30:00' }, '/start', 'not_instant'],
    ['a final status ahead of time', { status: 'fulfilled' }, '/status', 'not_over_yet'],
    ['entered-in-error', { status: 'entered-in-error' }, '/status', 'not_in'],
    [
      'what has not happened',
      { occurredAt: '2031-03-01T00:00:00Z' },
      '/occurredAt',
      'in_the_future',
    ],
    [
      'an unknown patient',
      { patientId: '019a0f5e-7c00-7000-8000-000000000011' },
      '/patientId',
      'unknown_patient',
    ],
    ['a zone of its own', { timeZone: 'Europe/Berlin' }, '/timeZone', 'unknown_field'],
  ])('refuses %s', async (_, body, pointer, code) => {
    const answer = await create(body);
    expect(answer.status).toBe(422);
    expect(answer.body.errors).toMatchObject([{ pointer, code }]);
  });

  it('says which times it takes', async () => {
    const answer = await create({ start: '9999-12-31T23:30:00Z', end: '9999-12-31T23:59:00Z' });
    expect(answer.status).toBe(422);
    const detail = expect.stringMatching(/^(start|end) must be .* in the years 1900 to 2199$/);
    expect(answer.body.errors).toMatchObject([
      { pointer: '/start', code: 'not_instant', detail },
      { pointer: '/end', code: 'not_instant', detail },
    ]);
    const last = { start: '2199-12-31T23:30:00Z', end: '2199-12-31T23:59:00Z' };
    expect((await create(last)).status).toBe(201);
  });

  it('refuses a patient of another practice, and a deleted one', async () => {
    const other = await openClinic(hub);
    expect((await create({ patientId: other.patientId })).body.errors[0].code).toBe(
      'unknown_patient',
    );
    const gone = `/v1/practices/${other.practiceId}/patients/${other.patientId}`;
    expect((await hub.api('DELETE', gone, undefined, { 'if-match': '*' })).status).toBe(204);
    const late = await hub.api('POST', `/v1/practices/${other.practiceId}/appointments`, {
      patientId: other.patientId,
      start,
      end,
    });
    expect(late.body.errors).toMatchObject([{ pointer: '/patientId', code: 'unknown_patient' }]);
  });

  it('does not let a patient with a booking ahead be deleted', async () => {
    const other = await openClinic(hub);
    await book(hub, other, start);
    const answer = await hub.api(
      'DELETE',
      `/v1/practices/${other.practiceId}/patients/${other.patientId}`,
      undefined,
      { 'if-match': '*' },
    );
    expect(answer.status).toBe(409);
  });

  it('takes one that is over with its final status, and reminds of nothing', async () => {
    const began = await inMinutes(hub, -90);
    const occurredAt = await inMinutes(hub, -60);
    const past = await book(hub, clinic, began, {
      status: 'fulfilled',
      occurredAt: occurredAt.toISOString(),
    });
    expect(past).toMatchObject({ status: 'fulfilled', sequence: 0 });
    const events = await eventsOf(hub, past);
    expect(events.map(({ type }) => type)).toEqual([
      'appointment.scheduled',
      'appointment.completed',
    ]);
    expect(events.map(({ time }) => time)).toEqual([occurredAt, occurredAt]);
    expect(await remindersOf(hub, past)).toEqual([]);
    expect((await act(hub, past, 'reopen')).body).toMatchObject({ status: 'booked' });
    expect(await remindersOf(hub, past)).toEqual([]);
  });

  it('of an unknown practice is a 404', async () => {
    const unknown = '/v1/practices/019a0f5e-7c00-7000-8000-000000000001/appointments';
    const body = { patientId: clinic.patientId, start, end };
    expect((await hub.api('POST', unknown, body)).status).toBe(404);
    expect((await hub.api('GET', unknown)).status).toBe(404);
  });
});

describe('changes', () => {
  it('say each kind once, with what was there before', async () => {
    const visit = await book(hub, clinic, start, { note: 'Old.', type: { name: 'Check-up' } });
    const changed = await patch(hub, path(visit), {
      providers: [{ name: 'Jo Lindgren' }],
      operatory: { name: 'Operatory 1' },
      note: null,
      type: { name: 'Check-up' },
    });
    expect(changed.body).toMatchObject({
      note: null,
      version: 2,
      operatory: { name: 'Operatory 1' },
    });
    const [, ...events] = await eventsOf(hub, visit);
    expect(events).toMatchObject([
      {
        type: 'appointment.providers_changed',
        subjectVersion: 2,
        data: { changedFields: ['providers'], previous: { providers: [] } },
      },
      {
        type: 'appointment.operatory_changed',
        subjectVersion: 2,
        data: { changedFields: ['operatory'], previous: { operatory: null } },
      },
      {
        type: 'appointment.updated',
        subjectVersion: 2,
        data: { changedFields: ['note'], previous: { note: 'Old.' } },
      },
    ]);
  });

  it('that change nothing make no version and no event', async () => {
    const visit = await book(hub, clinic, start, { operatory: { id: '1', name: 'One' } });
    const answer = await patch(hub, path(visit), {
      operatory: { name: 'One', id: '1' },
      note: null,
      providers: [],
    });
    expect(answer.body).toEqual(visit);
    expect(await typesOf(visit)).toEqual(['appointment.scheduled']);
  });

  it('need If-Match', async () => {
    const visit = await book(hub, clinic, start);
    expect((await hub.api('PATCH', path(visit), { note: 'x' })).status).toBe(428);
    const stale = await hub.api('PATCH', path(visit), { note: 'x' }, { 'if-match': '"7"' });
    expect(stale.status).toBe(412);
    expect((await hub.api('DELETE', path(visit))).status).toBe(428);
  });

  it('cannot move or end an appointment', async () => {
    const visit = await book(hub, clinic, start);
    const answer = await patch(hub, path(visit), { status: 'cancelled', start });
    expect(answer.status).toBe(422);
  });
});

it('deletes what was entered in error, and leaves a tombstone', async () => {
  const externalIds = [{ system: 'ezyvet', value: '17' }];
  const visit = await book(hub, clinic, start, { externalIds, note: 'Wrong patient' });
  const deleted = await hub.api('DELETE', path(visit), undefined, { 'if-match': '"1"' });
  expect(deleted.status).toBe(204);
  expect((await hub.api('GET', path(visit))).status).toBe(404);
  expect((await act(hub, visit, 'arrive')).status).toBe(404);
  const last = (await eventsOf(hub, visit)).at(-1)!;
  expect(last).toMatchObject({ type: 'appointment.deleted', subjectVersion: 2 });
  expect(last.data).toMatchObject({ status: 'entered-in-error' });
  expect(last.data).not.toHaveProperty('note');
  expect((await remindersOf(hub, visit)).map(({ status }) => status)).toEqual([
    'superseded',
    'superseded',
  ]);
  const since = `?updatedSince=${encodeURIComponent(visit.updatedAt)}&limit=200`;
  const ids = (answer: { body: { data: { id: string }[] } }) =>
    answer.body.data.map(({ id }) => id);
  expect(ids(await hub.api('GET', `${path()}${since}`))).not.toContain(visit.id);
  const all = await hub.api('GET', `${path()}${since}&includeDeleted=true`);
  expect(all.body.data.find(({ id }: { id: string }) => id === visit.id)).toEqual({
    id: visit.id,
    deleted: true,
    practiceId: clinic.practiceId,
    patientId: clinic.patientId,
    status: 'entered-in-error',
    version: 2,
    updatedAt: expect.any(String),
  });
  await book(hub, clinic, start, { externalIds });
});
