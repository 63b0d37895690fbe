import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  act,
  book,
  eventsOf,
  inMinutes,
  openClinic,
  remindersOf,
  type Clinic,
} from '../../test/support/factories-appointments.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';

let hub: TestHub;
let clinic: Clinic;
const start = '2031-03-10T14:30:00.000Z';
const end = '2031-03-10T15:00:00.000Z';
const typesOf = async (appointment: { id: string }) =>
  (await eventsOf(hub, appointment)).map(({ type }) => type);

beforeAll(async () => {
  hub = await startTestHub();
  clinic = await openClinic(hub);
});
afterAll(() => hub?.close());

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
