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

describe('actions', () => {
  it('say each step once, in order', async () => {
    const visit = await book(hub, clinic, start);
    for (const action of [
      'confirm',
      'unconfirm',
      'arrive',
      'check-in',
      'seat',
      'complete',
      'reopen',
    ]) {
      expect((await act(hub, visit, action)).status).toBe(200);
    }
    const events = await eventsOf(hub, visit);
    expect(events.map(({ type }) => type)).toEqual([
      'appointment.scheduled',
      'appointment.confirmed',
      'appointment.unconfirmed',
      'appointment.arrived',
      'appointment.checked_in',
      'appointment.seated',
      'appointment.completed',
      'appointment.reopened',
    ]);
    expect(events.map(({ subjectVersion }) => subjectVersion)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(events[5]!.data).toMatchObject({ status: 'checked-in', seatedAt: expect.any(String) });
    expect(events[7]!.data).toMatchObject({
      status: 'checked-in',
      previous: { status: 'fulfilled' },
    });
  });

  it('that are illegal are a 409 that says which are legal', async () => {
    const visit = await book(hub, clinic, start);
    await act(hub, visit, 'no-show');
    const answer = await act(hub, visit, 'complete');
    expect(answer.status).toBe(409);
    expect(answer.body).toMatchObject({ code: 'illegal_transition', legalActions: ['reopen'] });
    expect(answer.body.detail).toContain('reopen');
    expect(await typesOf(visit)).toEqual(['appointment.scheduled', 'appointment.no_show']);
  });

  it('honour If-Match', async () => {
    const visit = await book(hub, clinic, start);
    expect((await act(hub, visit, 'arrive', undefined, { 'if-match': '"9"' })).status).toBe(412);
    const arrived = await act(hub, visit, 'arrive', undefined, { 'if-match': '"1"' });
    expect(arrived.status).toBe(200);
    expect(arrived.headers.get('etag')).toBe('"2"');
  });

  it('reschedule: the same id, a higher sequence, confirmation again', async () => {
    const visit = await book(hub, clinic, start);
    await act(hub, visit, 'confirm');
    const times = { start: '2031-03-12T15:00:00.000Z', end: '2031-03-12T16:00:00.000Z' };
    const moved = await act(hub, visit, 'reschedule', {
      ...times,
      reason: 'School play',
      initiatedBy: 'patient',
    });
    expect(moved.body).toMatchObject({
      id: visit.id,
      ...times,
      localStart: '2031-03-12T10:00:00',
      sequence: 1,
      confirmation: 'unconfirmed',
    });
    expect((await eventsOf(hub, visit)).at(-1)).toMatchObject({
      type: 'appointment.rescheduled',
      data: {
        ...times,
        sequence: 1,
        previous: { start, end },
        reason: 'School play',
        initiatedBy: 'patient',
      },
    });
    const again = await act(hub, visit, 'reschedule', times);
    expect(again.body).toEqual(moved.body);
    expect((await act(hub, visit, 'reschedule', { ...times, end: times.start })).status).toBe(422);
    expect(await typesOf(visit)).toHaveLength(3);
  });

  it('confirm: a 409 for a sequence that is not the present one', async () => {
    const visit = await book(hub, clinic, start);
    const times = { start: '2031-03-12T15:00:00Z', end: '2031-03-12T16:00:00Z' };
    await act(hub, visit, 'reschedule', times);
    const stale = await act(hub, visit, 'confirm', { sequence: 0 });
    expect(stale.status).toBe(409);
    expect(stale.body).toMatchObject({ code: 'moved_meanwhile', sequence: 1 });
    const fresh = await act(hub, visit, 'confirm', { sequence: 1 });
    expect(fresh.body.confirmation).toBe('confirmed');
  });

  it('confirm: books a request', async () => {
    const request = await book(hub, clinic, start, { status: 'proposed' });
    expect(await remindersOf(hub, request)).toEqual([]);
    expect((await act(hub, request, 'confirm')).body.status).toBe('booked');
    expect(await typesOf(request)).toEqual([
      'appointment.requested',
      'appointment.scheduled',
      'appointment.confirmed',
    ]);
    expect(await remindersOf(hub, request)).toHaveLength(2);
  });

  it('cancel: says who, why and whether it was late', async () => {
    const visit = await book(hub, clinic, start);
    const cancelled = await act(hub, visit, 'cancel', { reason: 'A cold', cancelledBy: 'patient' });
    expect(cancelled.body).toMatchObject({
      status: 'cancelled',
      cancelReason: 'A cold',
      cancelledBy: 'patient',
    });
    expect((await eventsOf(hub, visit)).at(-1)!.data).toMatchObject({
      status: 'cancelled',
      reason: 'A cold',
      cancelledBy: 'patient',
      lateCancel: false,
    });
    const reopened = await act(hub, visit, 'reopen');
    expect(reopened.body).toMatchObject({
      status: 'booked',
      cancelReason: null,
      cancelledBy: null,
    });

    const soon = await book(hub, clinic, await inMinutes(hub, 600));
    await act(hub, soon, 'cancel');
    expect((await eventsOf(hub, soon)).at(-1)!.data.lateCancel).toBe(true);
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

describe('the list', () => {
  it('is filtered by start, patient, status and external id, and followed by its cursor', async () => {
    const own = await openClinic(hub);
    const list = async (query: string) => {
      const answer = await hub.api('GET', `/v1/practices/${own.practiceId}/appointments?${query}`);
      expect(answer.status).toBe(200);
      return answer;
    };
    const ids = async (query: string) =>
      (await list(query)).body.data.map(({ id }: { id: string }) => id);
    const late = await book(hub, own, '2031-05-03T10:00:00Z');
    const early = await book(hub, own, '2031-05-01T10:00:00Z', {
      externalIds: [{ system: 's', value: '1' }],
    });
    const middle = await book(hub, own, '2031-05-02T10:00:00Z', { status: 'proposed' });
    await act(hub, late, 'cancel');

    expect(await ids('')).toEqual([late.id, early.id, middle.id]);
    expect(await ids('from=2031-05-02T10:00:00Z')).toEqual([late.id, middle.id]);
    expect(await ids('to=2031-05-02T10:00:00Z')).toEqual([early.id]);
    expect(await ids('from=2031-05-01T00:00:00Z&to=2031-05-03T00:00:00Z')).toEqual([
      early.id,
      middle.id,
    ]);
    expect(await ids('status=cancelled')).toEqual([late.id]);
    expect(await ids('status=booked,proposed')).toEqual([early.id, middle.id]);
    expect(await ids(`patientId=${own.patientId}`)).toHaveLength(3);
    expect(await ids(`patientId=${clinic.patientId}`)).toEqual([]);
    expect(await ids('externalId=s%7C1')).toEqual([early.id]);

    const first = await list('limit=2');
    expect(first.headers.get('hub-position')).toEqual(expect.any(String));
    // A move in between makes nothing appear twice or not at all.
    await act(hub, middle, 'reschedule', {
      start: '2031-04-01T10:00:00Z',
      end: '2031-04-01T10:30:00Z',
    });
    const second = await list(`limit=2&after=${first.body.nextCursor}`);
    expect(second.body).toMatchObject({ data: [{ id: middle.id }], nextCursor: null });

    const wrong = await hub.api('GET', `${path()}?status=done`);
    expect(wrong.status).toBe(422);
    expect(wrong.body.errors).toMatchObject([{ parameter: 'status' }]);
  });
});
