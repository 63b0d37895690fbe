import { accountEvents } from './account.js';
import { appointmentEvents } from './appointment.js';
import type { EventDefinition } from './define.js';
import { endpointEvents } from './endpoint.js';
import type { DataOf } from './fields.js';
import { ledgerEvents } from './ledger.js';
import { patientEvents } from './patient.js';

/** Everything the hub says: each type is really emitted by the code that names it. */
export const catalog = {
  ...appointmentEvents,
  ...patientEvents,
  ...ledgerEvents,
  ...accountEvents,
  ...endpointEvents,
};

export type EventType = keyof typeof catalog;
/** Those that concern no practice. */
export type EndpointEventType = keyof typeof endpointEvents;
export type EventData<T extends EventType> = DataOf<(typeof catalog)[T]['fields']>;

export const eventTypes = Object.keys(catalog) as EventType[];

export function isEventType(name: string): name is EventType {
  return Object.hasOwn(catalog, name);
}

/** The definition without its own data type, for code that handles every type alike. */
export function definitionOf(type: EventType): EventDefinition {
  return catalog[type] as unknown as EventDefinition;
}
