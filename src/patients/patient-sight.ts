import { Raw, type EntityManager, type FindOperator } from 'typeorm';
import type { EventType } from '../events/catalog/catalog.js';
import { readUnder, typesAbout } from '../events/catalog/resources.js';
import type { Caller } from '../platform/access/caller.js';
import { seen, sightOf, wider, type Sight } from '../platform/access/granted.js';
import { ofNobodyRestricted } from '../platform/access/restricted.js';
import { patientResource, type Patient } from './patient.entity.js';

const hasAppointment =
  'select from appointments as a where a.deleted_at is null and a.patient_id =';

/**
 * How much of a practice's patients a caller reads. Whoever is granted events about appointments reads of the patients
 * that have one; whoever is granted events about patients, of all.
 */
export class PatientSight {
  private readonly ofAll: Sight;
  private readonly withAppointments: Sight;

  constructor(caller: Caller, practiceId: string) {
    this.ofAll = sightOf(caller, practiceId, typesAbout('patients'));
    this.withAppointments = sightOf(caller, practiceId, typesAbout('appointments'));
  }

  get isBlind(): boolean {
    return this.ofAll === 'none' && this.withAppointments === 'none';
  }

  /** Those that any of the patients are read with. */
  get sights(): Sight[] {
    return [this.ofAll, this.withAppointments];
  }

  /** Conditions on a patient's id. */
  get conditions(): FindOperator<string>[] {
    if (this.ofAll === 'all') return [];
    if (this.ofAll !== 'none') return [ofNobodyRestricted()];
    return [ofNobodyRestricted(), Raw((id) => `exists (${hasAppointment} ${id})`)];
  }

  /**
   * As the caller reads them, each with what lets it; one more query where those with appointments are read otherwise
   * than the rest.
   */
  async show(manager: EntityManager, patients: readonly Patient[]): Promise<object[]> {
    const most = wider(this.ofAll, this.withAppointments);
    if (most === this.ofAll) {
      return patients.map((patient) => shownTo(patient, most, typesAbout('patients')));
    }
    const visiting = this.ofAll === 'none' ? undefined : await visitingOf(manager, patients);
    return patients.map((patient) =>
      !visiting || visiting.has(patient.id)
        ? shownTo(patient, most, typesAbout('appointments'))
        : shownTo(patient, this.ofAll, typesAbout('patients')),
    );
  }
}

function shownTo(patient: Patient, sight: Sight, types: readonly EventType[]): object {
  return readUnder(seen('patient', patientResource(patient), sight), types);
}

async function visitingOf(
  manager: EntityManager,
  patients: readonly Patient[],
): Promise<Set<string>> {
  const rows: { id: string }[] = await manager.query(
    `select p.id from unnest($1::uuid[]) as p (id) where exists (${hasAppointment} p.id)`,
    [patients.map(({ id }) => id)],
  );
  return new Set(rows.map(({ id }) => id));
}
