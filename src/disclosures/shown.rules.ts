import type { EventType } from '../events/catalog/catalog.js';
import { typesAbout, typesOfEntry, typesReadUnder } from '../events/catalog/resources.js';
import { payloadModes, type PayloadMode } from '../events/catalog/fields.js';

/** Something about a person that a partner is about to be shown. */
export interface Shown {
  practiceId: string;
  patientId: string | null;
  accountId: string | null;
  /** The type of an event, or the kind of resource: `patient`, `appointment`, `account`, `entry`. */
  what: string;
  /** Types of events of which any, granted, allows it. */
  types: readonly string[];
  /** Null: as much as the grant allows. */
  mode: PayloadMode | null;
  eventId: string | null;
}

interface Kind {
  what: string;
  /** Where its patient and its account stand. */
  patient?: 'id' | 'patientId';
  account?: 'id' | 'accountId';
  /** Types of events of which any, granted, lets it be read. */
  typesOf(item: unknown): readonly EventType[];
}

const entry: Kind = {
  what: 'entry',
  patient: 'patientId',
  account: 'accountId',
  // Each kind by the events that tell of it, as access is decided.
  typesOf: (item) => typesOfEntry(textIn(item, 'kind') ?? ''),
};

/** What routes give that is about persons, by the last name of their address. */
const kinds: Readonly<Record<string, Kind>> = {
  // Whoever has an appointment that may be known of is read under that, which no field tells.
  patients: {
    what: 'patient',
    patient: 'id',
    account: 'accountId',
    typesOf: (item) => typesReadUnder(item) ?? typesAbout('patients'),
  },
  appointments: {
    what: 'appointment',
    patient: 'patientId',
    typesOf: () => typesAbout('appointments'),
  },
  accounts: { what: 'account', account: 'id', typesOf: () => typesAbout('accounts') },
  entries: entry,
  charges: entry,
  payments: entry,
  adjustments: entry,
};

/**
 * What an answer shows of persons, by its ids alone. Pure.
 * @param pattern the route, as `/v1/practices/:practiceId/patients/:patientId`
 * @param practiceId of the address; events name their own
 * @param answer a resource or an event, a page of them, or such a page as the text that is sent
 */
export function shownBy(pattern: string, practiceId: string | undefined, answer: unknown): Shown[] {
  const name = pattern.split('/').findLast((segment) => segment && !segment.startsWith(':')) ?? '';
  if (name !== 'events' && !Object.hasOwn(kinds, name)) return [];
  const body: unknown = typeof answer === 'string' ? JSON.parse(answer) : answer;
  const list = memberOf(body, 'data');
  const items = Array.isArray(list) ? list : [body];
  const shown = items.map((item) =>
    name === 'events' ? eventOf(item) : resourceOf(kinds[name]!, practiceId, item),
  );
  return shown.filter(
    (each): each is Shown => each !== undefined && (each.patientId ?? each.accountId) !== null,
  );
}

function resourceOf(kind: Kind, practiceId: string | undefined, item: unknown): Shown | undefined {
  if (practiceId === undefined) return undefined;
  return {
    practiceId,
    patientId: kind.patient ? textIn(item, kind.patient) : null,
    accountId: kind.account ? textIn(item, kind.account) : null,
    what: kind.what,
    types: kind.typesOf(item),
    mode: null,
    eventId: null,
  };
}

/** An endpoint's feed has events within its entries, and entries without one. */
function eventOf(item: unknown): Shown | undefined {
  const event = memberOf(item, 'event') ?? item;
  const [practiceId, type] = [textIn(event, 'practiceid'), textIn(event, 'type')];
  if (practiceId === null || type === null) return undefined;
  const data = memberOf(event, 'data');
  const mode = textIn(event, 'dataschema')?.split('mode=')[1] as PayloadMode | undefined;
  return {
    practiceId,
    patientId: textIn(data, 'patientId'),
    accountId: textIn(data, 'accountId'),
    what: type,
    types: [type],
    mode: mode !== undefined && payloadModes.includes(mode) ? mode : null,
    eventId: textIn(event, 'id'),
  };
}

function textIn(value: unknown, name: string): string | null {
  const text = memberOf(value, name);
  return typeof text === 'string' ? text : null;
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
