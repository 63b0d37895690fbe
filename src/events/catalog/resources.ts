import { catalog, definitionOf, eventTypes, type EventType } from './catalog.js';
import type { EventDefinition } from './define.js';
import { id, minimum, projectFields, visible, type Fields, type PayloadMode } from './fields.js';

const {
  'patient.created': patient,
  'appointment.scheduled': appointment,
  'appointment.cancelled': cancelled,
  'account.created': account,
  'payment.posted': payment,
  'payment.refunded': refund,
  'adjustment.posted': adjustment,
} = catalog;

/** What a resource has and no event about it: none of it says who somebody is. */
const common = {
  id: id.uuid(),
  practiceId: id.uuid(),
  version: id.integer(),
  createdAt: minimum.instant(),
  updatedAt: minimum.instant(),
};
/** Of a practice whoever was granted anything needs this much to read what it is told: whose clock, whose money. */
const practice = {
  name: id.text(),
  kind: id.text(),
  timeZone: id.text(),
  currency: id.text(),
  sandbox: id.flag(),
};
/** Of what is left of a deleted one. */
const tombstone = { deleted: id.flag() };

/**
 * The fields of resources as events mark them, so that a fetch shows no more than a webhook would. A field of a resource
 * that is not here is shown to nobody but the practice.
 */
export const resourceFields = {
  patient: { ...patient.fields, ...common, ...tombstone },
  appointment: {
    ...appointment.fields,
    cancelledBy: cancelled.fields.cancelledBy,
    cancelReason: cancelled.fields.reason,
    ...common,
    ...tombstone,
  },
  account: { ...account.fields, ...common },
  practice: { ...practice, ...common },
  entry: { ...payment.fields, ...refund.fields, ...adjustment.fields, ...common },
} satisfies Record<string, Fields>;

export type ResourceKind = keyof typeof resourceFields;

/** What a mode shows of a resource: the projection of events. Pure. */
export function showResource(
  kind: ResourceKind,
  resource: object,
  mode: PayloadMode,
): Record<string, unknown> {
  return projectFields<Fields>(resourceFields[kind], resource, mode);
}

/** Whether a mode shows a field, so that it may be asked for by its value. Pure. */
export function showsField(kind: ResourceKind, name: string, mode: PayloadMode): boolean {
  const field = (resourceFields[kind] as Fields)[name];
  return field !== undefined && visible(field.mark, mode);
}

/** The types of events about one collection: whoever is granted any of them may read what it holds. Pure. */
export function typesAbout(subject: EventDefinition['subject']): EventType[] {
  return eventTypes.filter((type) => definitionOf(type).subject === subject);
}

/** The types of events that tell of ledger entries of a kind, or of entries of whatever kind. Pure. */
export function typesOfEntry(kind: string): EventType[] {
  return eventTypes.filter((type) => {
    const { fields } = definitionOf(type);
    if (!fields.entryId) return false;
    return !fields.kind || (fields.kind.schema('full').enum as string[]).includes(kind);
  });
}

/**
 * Where a shown resource says which types of events let it be read, where its fields do not tell: for the account of
 * what was disclosed. A symbol, which JSON leaves out.
 */
const under = Symbol('readUnder');

export function readUnder(shown: object, types: readonly EventType[]): object {
  return { ...shown, [under]: types };
}

/** The types that `readUnder` has noted; undefined where nothing was. */
export function typesReadUnder(shown: unknown): readonly EventType[] | undefined {
  return (shown as { [under]?: readonly EventType[] } | null)?.[under];
}
