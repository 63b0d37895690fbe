import { isDeepStrictEqual } from 'node:util';
import type { ExternalId } from '../platform/external-ids.js';
import type { Operatory, Provider, VisitType } from './appointment.entity.js';
import { say, type Saying } from './appointment.events.js';

/** What may be changed without moving an appointment or changing where it stands. */
export interface Details {
  type: VisitType | null;
  providers: Provider[];
  operatory: Operatory | null;
  note: string | null;
  externalIds: ExternalId[];
}

const updatedFields = ['type', 'note', 'externalIds'] as const;

/** What to say of changed details: one event for each kind of change, none for what is as it was. Pure. */
export function sayingsAbout(before: Details, after: Details): Saying[] {
  const changed = (field: keyof Details) =>
    !isDeepStrictEqual(plain(before[field]), plain(after[field]));
  const sayings: Saying[] = [];
  if (changed('providers')) {
    sayings.push(
      say('appointment.providers_changed', {
        changedFields: ['providers'],
        previous: { providers: before.providers },
      }),
    );
  }
  if (changed('operatory')) {
    sayings.push(
      say('appointment.operatory_changed', {
        changedFields: ['operatory'],
        previous: { operatory: before.operatory },
      }),
    );
  }
  const updated = updatedFields.filter(changed);
  if (updated.length > 0) {
    const previous = Object.fromEntries(updated.map((field) => [field, before[field]]));
    sayings.push(say('appointment.updated', { changedFields: updated, previous }));
  }
  return sayings;
}

// A body's objects have classes, a row's have none, and neither says anything by the order of its members.
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
