import { Raw, type EntityManager, type FindOperator } from 'typeorm';
import { typesAbout } from '../events/catalog/resources.js';
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

  /** As the caller reads them; one more query where those with appointments are read otherwise than the rest. */
  async show(manager: EntityManager, patients: readonly Patient[]): Promise<object[]> {
    const most = wider(this.ofAll, this.withAppointments);
    const differs = this.ofAll !== 'none' && most !== this.ofAll;
    const visiting = differs ? await visitingOf(manager, patients) : undefined;
    return patients.map((patient) => {
      const sight = !visiting || visiting.has(patient.id) ? most : this.ofAll;
      return seen('patient', patientResource(patient), sight);
    });
  }
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
