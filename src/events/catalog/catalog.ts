import { accountEvents } from './account.js';
import { appointmentEvents } from './appointment.js';
import type { EventDefinition } from './define.js';
import { endpointEvents } from './endpoint.js';
import type { DataOf } from './fields.js';
import { grantEvents } from './grant.js';
import { ledgerEvents } from './ledger.js';
import { patientEvents } from './patient.js';

/** Everything the hub says: each type is really emitted by the code that names it. */
export const catalog = {
  ...appointmentEvents,
  ...patientEvents,
  ...ledgerEvents,
  ...accountEvents,
  ...endpointEvents,
  ...grantEvents,
};

export type EventType = keyof typeof catalog;
export type EndpointEventType = keyof typeof endpointEvents;
/** Those that are somebody's own, whoever their `source` names, and no practice's. */
export type OwnersEventType = EndpointEventType | keyof typeof grantEvents;
export type EventData<T extends EventType> = DataOf<(typeof catalog)[T]['fields']>;

export const eventTypes = Object.keys(catalog) as EventType[];

export function isEventType(name: string): name is EventType {
  return Object.hasOwn(catalog, name);
}

/** Whether events of a type go to whom their source names, instead of whoever may hear of a practice. Pure. */
export function isOwnersType(type: EventType): type is OwnersEventType {
  return isOwnersSubject(definitionOf(type).subject);
}

/** The same by what an event is about: a collection, or `{collection}/{id}`. Pure. */
export function isOwnersSubject(subject: string): boolean {
  return subject.startsWith('endpoints') || subject.startsWith('grants');
}

/** The definition without its own data type, for code that handles every type alike. */
export function definitionOf(type: EventType): EventDefinition {
  return catalog[type] as unknown as EventDefinition;
}
