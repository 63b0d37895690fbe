import { Injectable } from '@nestjs/common';
import { And, Equal, In, IsNull, LessThan, MoreThan, MoreThanOrEqual } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { ScopedReads } from '../database/scoped-reads.js';
import type { Tx } from '../database/transactions.js';
import type { Cause } from '../events/outbox/outbox.js';
import { typesAbout } from '../events/catalog/resources.js';
import type { Caller } from '../platform/access/caller.js';
import { assertMayAskFor, seen, sightOf } from '../platform/access/granted.js';
import { ofNobodyRestricted } from '../platform/access/restricted.js';
import { findByExternalId, replaceExternalIds } from '../platform/external-ids.js';
import {
  afterId,
  allOf,
  externalIdOf,
  limitOf,
  pageOf,
  type Page,
} from '../platform/http/lists.js';
import { unknownPractice } from '../platform/access/unknown-practice.js';
import { invalidField, notFound } from '../platform/http/problem.js';
import { PracticesService } from '../practices/practices.service.js';
import { sayingsAbout } from './appointment-changes.rules.js';
import { AppointmentWriter } from './appointment-writer.js';
import type { AppointmentChange, AppointmentListQuery, NewAppointment } from './appointment.dto.js';
import { Appointment, appointmentResource } from './appointment.entity.js';
import { say, type Saying } from './appointment.events.js';
import {
  isLateCancel,
  mayBeCreatedAs,
  timesFault,
  type AppointmentStatus,
} from './appointment.rules.js';
import { timesInZone } from './local-time.rules.js';
import { readPatientNow } from './patient-of.js';

const resource = 'appointment';
/** How far a caller's clock may be ahead of the database's. */
const clockSkewMs = 5 * 60_000;

@Injectable()
export class AppointmentsService {
  constructor(
    private readonly reads: ScopedReads,
    private readonly practices: PracticesService,
    private readonly writer: AppointmentWriter,
  ) {}

  /** Overlaps are accepted. @throws Problem 404 for an unknown practice, 422, 409 for a taken external id. */
  async create(
    tx: Tx,
    cause: Cause,
    practiceId: string,
    input: NewAppointment,
  ): Promise<Appointment> {
    const practice = await this.practices.get(practiceId, tx);
    const { now, patientId, accountId, deleted } = await readPatientNow(
      tx,
      practiceId,
      input.patientId,
    );
    if (patientId === null || deleted) {
      throw invalidField('/patientId', 'unknown_patient', 'The practice has no such patient.');
    }
    const { type = null, providers = [], operatory = null, note = null, externalIds = [] } = input;
    const [start, end] = timesOf(input);
    const status = input.status ?? 'booked';
    if (!mayBeCreatedAs(status, end < now)) {
      throw invalidField(
        '/status',
        'not_over_yet',
        'Only an appointment that is over may be created with this status. Create it as proposed or booked, then use its actions.',
      );
    }
    const id = uuidv7();
    const appointment: Appointment = {
      id,
      practiceId,
      patientId,
      ...timesInZone(start, end, practice.timeZone),
      type,
      providers,
      operatory,
      note,
      externalIds,
      status,
      earlierStatuses: [],
      confirmation: 'unconfirmed',
      sequence: 0,
      seatedAt: null,
      cancelledBy: null,
      cancelReason: null,
      version: 1,
      createdAt: now,
      updatedAt: now,
      deletedAt: null,
    };
    if (externalIds.length > 0) await replaceExternalIds(tx, practiceId, resource, id, externalIds);
    const time = input.occurredAt === undefined ? undefined : occurredAt(input.occurredAt, now);
    const sayings = sayingsOfNew(appointment, time);
    return this.writer.insert(tx, cause, appointment, accountId, sayings, time);
  }

  /** @throws Problem 404, for a deleted one too. */
  async get(
    practiceId: string,
    id: string,
    tx: Tx = this.reads.ofPractice(practiceId),
  ): Promise<Appointment> {
    const found = await tx.findOneBy(Appointment, { practiceId, id, deletedAt: IsNull() });
    if (!found) throw notFound(resource);
    return found;
  }

  /** As much as a caller is shown. @throws Problem 404 for what it may not know of, as for what does not exist. */
  async read(caller: Caller, practiceId: string, id: string): Promise<object> {
    const sight = sightOf(caller, practiceId, typesAbout('appointments'));
    if (sight === 'none') throw notFound(resource);
    const found = await this.reads.ofPractice(practiceId).findOneBy(Appointment, {
      practiceId,
      id,
      ...allOf('patientId', sight !== 'all' && ofNobodyRestricted()),
      deletedAt: IsNull(),
    });
    if (!found) throw notFound(resource);
    return seen('appointment', appointmentResource(found), sight);
  }

  /**
   * Those that a caller may know of, as much as it is shown; in order of creation, which no later move changes: a cursor
   * follows it safely.
   * @throws Problem 404 for an unknown practice, or one of whose appointments it may know nothing.
   */
  async list(
    caller: Caller,
    practiceId: string,
    query: AppointmentListQuery,
  ): Promise<Page<object>> {
    const sight = sightOf(caller, practiceId, typesAbout('appointments'));
    if (sight === 'none') throw unknownPractice(caller);
    const limit = limitOf(query);
    const after = afterId(query);
    const external = externalIdOf(query);
    if (external) assertMayAskFor('externalId', 'appointment', 'externalIds', [sight]);
    const manager = this.reads.ofPractice(practiceId);
    await this.practices.get(practiceId);
    const found = external && (await findByExternalId(manager, practiceId, resource, external));
    if (external && !found) return { data: [], nextCursor: null };
    const rows = await manager.find(Appointment, {
      where: {
        practiceId,
        ...(!query.includeDeleted && { deletedAt: IsNull() }),
        ...(after && { id: MoreThan(after) }),
        ...(found && { id: found }),
        ...startsWithin(query),
        ...allOf(
          'patientId',
          query.patientId !== undefined && Equal(query.patientId),
          sight !== 'all' && ofNobodyRestricted(),
        ),
        ...(query.status && { status: In(query.status) }),
        ...(query.updatedSince && { updatedAt: MoreThanOrEqual(new Date(query.updatedSince)) }),
      },
      order: { id: 'asc' },
      take: limit + 1,
    });
    return pageOf(rows, limit, (row) => seen('appointment', appointmentResource(row), sight));
  }

  /** A change that changes nothing makes no version and no event. @throws Problem 409 for a taken external id. */
  async change(
    tx: Tx,
    cause: Cause,
    appointment: Appointment,
    change: AppointmentChange,
  ): Promise<Appointment> {
    const { type, providers, operatory, note, externalIds } = { ...appointment, ...change };
    const fields = { type, providers, operatory, note, externalIds };
    const sayings = sayingsAbout(appointment, fields);
    if (sayings.length === 0) return appointment;
    const { practiceId, id } = appointment;
    if (change.externalIds) {
      await replaceExternalIds(tx, practiceId, resource, id, change.externalIds);
    }
    return this.writer.update(tx, cause, appointment, () => ({ fields, sayings }));
  }

  /** Entered in error: leaves a tombstone without the texts about the patient, and frees its external ids. */
  async delete(tx: Tx, cause: Cause, appointment: Appointment): Promise<void> {
    await replaceExternalIds(tx, appointment.practiceId, resource, appointment.id, []);
    await this.writer.update(tx, cause, appointment, (now) => ({
      fields: {
        status: 'entered-in-error',
        note: null,
        cancelReason: null,
        externalIds: [],
        deletedAt: now,
      },
      sayings: [say('appointment.deleted', {})],
    }));
  }
}

/** @throws Problem 422 */
export function timesOf(input: { start: string; end: string }): [start: Date, end: Date] {
  const [start, end] = [new Date(input.start), new Date(input.end)];
  const fault = timesFault(start, end);
  if (fault) throw invalidField(fault.pointer, fault.code, fault.detail);
  return [start, end];
}

const endings: Partial<Record<AppointmentStatus, Saying>> = {
  arrived: say('appointment.arrived', {}),
  'checked-in': say('appointment.checked_in', {}),
  fulfilled: say('appointment.completed', {}),
  noshow: say('appointment.no_show', {}),
};

/** Every appointment's story begins with its booking, also where its end is told in the same breath. */
function sayingsOfNew({ status, start }: Appointment, time: Date | undefined): Saying[] {
  if (status === 'proposed') return [say('appointment.requested', {})];
  const ending =
    status === 'cancelled'
      ? say('appointment.cancelled', {
          lateCancel: time !== undefined && isLateCancel(start, time),
        })
      : endings[status];
  return [say('appointment.scheduled', {}), ...(ending ? [ending] : [])];
}

function occurredAt(given: string, now: Date): Date {
  const time = new Date(given);
  if (time.getTime() > now.getTime() + clockSkewMs) {
    throw invalidField('/occurredAt', 'in_the_future', 'What has not happened yet is no fact.');
  }
  return time;
}

function startsWithin({ from, to }: AppointmentListQuery) {
  if (from && to) return { start: And(MoreThanOrEqual(new Date(from)), LessThan(new Date(to))) };
  if (from) return { start: MoreThanOrEqual(new Date(from)) };
  if (to) return { start: LessThan(new Date(to)) };
  return {};
}
