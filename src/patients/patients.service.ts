import { Injectable } from '@nestjs/common';
import { Equal, IsNull, MoreThan, MoreThanOrEqual } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { ScopedReads } from '../database/scoped-reads.js';
import { databaseTime, send, type Tx } from '../database/transactions.js';
import { Outbox, type Cause } from '../events/outbox/outbox.js';
import type { Caller } from '../platform/access/caller.js';
import { assertMayAskFor } from '../platform/access/granted.js';
import { findByExternalId, replaceExternalIds } from '../platform/external-ids.js';
import {
  afterId,
  allOf,
  externalIdOf,
  limitOf,
  pageOf,
  type DeletableListQuery,
  type Page,
} from '../platform/http/lists.js';
import { unknownPractice } from '../platform/access/unknown-practice.js';
import { conflict, invalidField, notFound } from '../platform/http/problem.js';
import type { Practice } from '../practices/practice.entity.js';
import { PracticesService } from '../practices/practices.service.js';
import { AccountsService } from './accounts.service.js';
import type { NewPatient, PatientChange } from './patient.dto.js';
import { Patient } from './patient.entity.js';
import { patientChanged, patientCreated, patientDeleted } from './patient.events.js';
import {
  accountFault,
  changesBetween,
  changesNothing,
  speciesFault,
  type Fault,
} from './patient.rules.js';
import { PatientSight } from './patient-sight.js';
import { patientTiesSql } from './sql/patient-ties.js';
import { restrictAnew, restrictAnewOn } from './sql/restrict.js';

@Injectable()
export class PatientsService {
  constructor(
    private readonly reads: ScopedReads,
    private readonly practices: PracticesService,
    private readonly accounts: AccountsService,
    private readonly outbox: Outbox,
  ) {}

  /** @throws Problem 404 for an unknown practice, 422 for what the rules refuse. */
  async create(tx: Tx, cause: Cause, practiceId: string, input: NewPatient): Promise<Patient> {
    const practice = await this.practices.get(practiceId, tx);
    refuse(speciesFault(input) ?? accountFault(input));
    const { externalIds = [], accountId: _account, owner: _owner, ...record } = input;
    const now = await databaseTime(tx);
    const patient = tx.create(Patient, {
      familyName: null,
      birthDate: null,
      email: null,
      phone: null,
      species: null,
      breed: null,
      ...record,
      id: uuidv7(),
      practiceId,
      accountId: await this.accountFor(tx, cause, practice, input),
      status: 'active',
      externalIds,
      restricted: input.restricted ?? false,
      version: 1,
      createdAt: now,
      updatedAt: now,
      deletedAt: null,
    });
    await tx.insert(Patient, patient);
    if (externalIds.length > 0) {
      await replaceExternalIds(tx, practiceId, 'patient', patient.id, externalIds);
    }
    this.outbox.say(tx, cause, [patientCreated(patient)]);
    // Their account may have been somebody's who was not.
    if (patient.restricted && input.accountId) send(tx, restrictAnew, []);
    return patient;
  }

  /** @throws Problem 404, also where the patient was deleted */
  async get(
    practiceId: string,
    id: string,
    tx: Tx = this.reads.ofPractice(practiceId),
  ): Promise<Patient> {
    const patient = await tx.findOneBy(Patient, { practiceId, id, deletedAt: IsNull() });
    if (!patient) throw notFound('patient');
    return patient;
  }

  /** As much as a caller is shown. @throws Problem 404 for what it may not know of, as for what does not exist. */
  async read(caller: Caller, practiceId: string, id: string): Promise<object> {
    const sight = new PatientSight(caller, practiceId);
    if (sight.isBlind) throw notFound('patient');
    const manager = this.reads.ofPractice(practiceId);
    const patient = await manager.findOneBy(Patient, {
      practiceId,
      ...allOf('id', Equal(id), ...sight.conditions),
      deletedAt: IsNull(),
    });
    if (!patient) throw notFound('patient');
    return (await sight.show(manager, [patient]))[0]!;
  }

  /**
   * Those that a caller may know of, as much as it is shown; in order of creation.
   * @throws Problem 404 for an unknown practice, or one of whose patients it may know nothing.
   */
  async list(caller: Caller, practiceId: string, query: DeletableListQuery): Promise<Page<object>> {
    const sight = new PatientSight(caller, practiceId);
    if (sight.isBlind) throw unknownPractice(caller);
    const manager = this.reads.ofPractice(practiceId);
    const limit = limitOf(query);
    const after = afterId(query);
    const external = externalIdOf(query);
    if (external) assertMayAskFor('externalId', 'patient', 'externalIds', sight.sights);
    await this.practices.get(practiceId);
    const found = external && (await findByExternalId(manager, practiceId, 'patient', external));
    if (external && !found) return { data: [], nextCursor: null };
    const rows = await manager.find(Patient, {
      where: {
        practiceId,
        ...(!query.includeDeleted && { deletedAt: IsNull() }),
        ...allOf('id', after && MoreThan(after), found && Equal(found), ...sight.conditions),
        ...(query.updatedSince && { updatedAt: MoreThanOrEqual(new Date(query.updatedSince)) }),
      },
      order: { id: 'asc' },
      take: limit + 1,
    });
    const shown = await sight.show(manager, rows);
    return pageOf(rows, limit, (row) => shown[rows.indexOf(row)]!);
  }

  /** A change that changes nothing makes no version and no event. @throws Problem 409, 422 */
  async change(tx: Tx, cause: Cause, before: Patient, change: PatientChange): Promise<Patient> {
    const { practiceId, id } = before;
    const after = tx.create(Patient, {
      ...before,
      ...change,
      ...(change.accountId && {
        accountId: await this.accountId(tx, practiceId, change.accountId),
      }),
      version: before.version + 1,
      updatedAt: await databaseTime(tx),
    });
    refuse(speciesFault(after));
    const changes = changesBetween(before, after);
    if (changesNothing(changes)) return before;
    if (changes.record.includes('externalIds')) {
      await replaceExternalIds(tx, practiceId, 'patient', id, after.externalIds);
    }
    await tx.update(Patient, { id }, after);
    this.outbox.say(tx, cause, patientChanged(before, after, changes));
    if (after.restricted && (changes.restriction || changes.account)) send(tx, restrictAnew, []);
    else if (changes.account) send(tx, restrictAnewOn, [before.accountId]);
    return after;
  }

  /**
   * Leaves a tombstone without any personal field. For records made in error: what has a history stays.
   * @throws Problem 409 with ledger entries or future appointments.
   */
  async delete(tx: Tx, cause: Cause, patient: Patient): Promise<void> {
    const { practiceId, id, accountId } = patient;
    const [ties] = await tx.query(patientTiesSql, [practiceId, id, accountId]);
    if (ties.entries) {
      throw conflict(
        'patient_has_entries',
        'The patient has ledger entries. Set status to inactive instead.',
      );
    }
    if (ties.appointments) {
      throw conflict(
        'patient_has_future_appointments',
        'The patient has appointments ahead. Cancel them first, or set status to inactive.',
      );
    }
    await this.accounts.releaseGuarantor(tx, cause, practiceId, id);
    await replaceExternalIds(tx, practiceId, 'patient', id, []);
    const now = await databaseTime(tx);
    const version = patient.version + 1;
    await tx.update(
      Patient,
      { id },
      {
        givenName: '',
        familyName: null,
        birthDate: null,
        email: null,
        phone: null,
        species: null,
        breed: null,
        externalIds: [],
        version,
        updatedAt: now,
        deletedAt: now,
      },
    );
    this.outbox.say(tx, cause, [patientDeleted(patient, version)]);
    send(tx, restrictAnewOn, [accountId]);
  }

  /** The account given, or one opened for the owner, or in the patient's own name. */
  private async accountFor(
    tx: Tx,
    cause: Cause,
    practice: Practice,
    { accountId, owner, givenName, familyName, email, phone }: NewPatient,
  ): Promise<string> {
    if (accountId) return this.accountId(tx, practice.id, accountId);
    const holder = owner ?? { givenName, familyName, email, phone };
    return (await this.accounts.open(tx, cause, practice, { holder })).id;
  }

  /** The id as the database spells it. @throws Problem 422 for an account of another practice. */
  private async accountId(tx: Tx, practiceId: string, id: string): Promise<string> {
    const account = await this.accounts.find(practiceId, id, tx);
    if (account) return account.id;
    throw invalidField('/accountId', 'unknown_account', 'The practice has no such account.');
  }
}

function refuse(fault: Fault | undefined): void {
  if (fault) throw invalidField(fault.pointer, fault.code, fault.detail);
}
