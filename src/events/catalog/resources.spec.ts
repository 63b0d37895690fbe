import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { schemaOf, type JsonSchema } from './fields.js';
import {
  resourceFields,
  showResource,
  showsField,
  typesAbout,
  typesOfEntry,
  type ResourceKind,
} from './resources.js';

interface Schema {
  $ref?: string;
  allOf?: Schema[];
  properties?: Record<string, Schema>;
  items?: Schema;
}

/** What the API answers, as its document has it. */
const { schemas } = JSON.parse(readFileSync('openapi.json', 'utf8')).components as {
  schemas: Record<string, Schema>;
};

/** The names that lead to every value of a resource; items of a list share theirs. */
function pathsOf(schema: Schema, path = ''): string[] {
  const { $ref, allOf, items, properties } = schema;
  if ($ref) return pathsOf(schemas[$ref.split('/').at(-1)!]!, path);
  if (allOf) return allOf.flatMap((part) => pathsOf(part, path));
  if (items) return pathsOf(items, path);
  if (!properties) return [path];
  return Object.entries(properties).flatMap(([name, member]) => pathsOf(member, `${path}/${name}`));
}

const resources: Record<ResourceKind, string[]> = {
  patient: ['PatientResource', 'PatientTombstone'],
  appointment: ['AppointmentResource', 'AppointmentTombstone'],
  account: ['AccountResource'],
  entry: ['EntryResource'],
  practice: ['PracticeResource'],
};

/** What has no mark on purpose, so that partners see it in no mode. */
const practicesOwn: Partial<Record<ResourceKind, string[]>> = {
  patient: ['/restricted'],
  practice: [
    '/externalIds/system',
    '/externalIds/value',
    '/requiresAgreements',
    ...['name', 'leadMinutes', 'leadDays', 'at', 'onLate', 'id'].map((n) => `/reminderRules/${n}`),
  ],
};

describe.each(Object.entries(resources) as [ResourceKind, string[]][])('a %s', (kind, names) => {
  it('has no field that nobody has decided about', () => {
    const known = pathsOf(schemaOf(resourceFields[kind], 'full') as JsonSchema as Schema);
    const shown = names.flatMap((name) => pathsOf(schemas[name]!));
    const unknown = shown.filter((path) => !known.includes(path));
    expect(unknown).toEqual(practicesOwn[kind] ?? []);
  });

  it('shows nothing personal in minimum', () => {
    const paths = pathsOf(schemaOf(resourceFields[kind], 'minimum') as JsonSchema as Schema);
    const personal =
      /\/(givenName|familyName|birthDate|email|phone|note|reason|cancelReason|description)$|payer\/name/;
    expect(paths.filter((path) => personal.test(path))).toEqual([]);
  });
});

describe('a resource', () => {
  const patient = { id: 'p', practiceId: 'e', kind: 'human', givenName: 'Ada', unheardOf: 1 };

  it('is shown as events are, and nothing of it that has no mark', () => {
    expect(showResource('patient', patient, 'minimum')).toEqual({
      id: 'p',
      practiceId: 'e',
      kind: 'human',
    });
    expect(showResource('patient', patient, 'full')).toEqual({
      id: 'p',
      practiceId: 'e',
      kind: 'human',
      givenName: 'Ada',
    });
  });

  it('may be found by what a mode shows of it', () => {
    expect(showsField('patient', 'externalIds', 'minimum')).toBe(false);
    expect(showsField('patient', 'externalIds', 'full')).toBe(true);
    expect(showsField('entry', 'externalIds', 'minimum')).toBe(true);
    expect(showsField('entry', 'unheardOf', 'full')).toBe(false);
  });
});

describe('what types are about', () => {
  it('is their subject', () => {
    expect(typesAbout('patients')).toContain('patient.updated');
    expect(typesAbout('patients').every((type) => type.startsWith('patient.'))).toBe(true);
    expect(typesAbout('accounts')).toEqual(
      expect.arrayContaining(['account.created', 'payment.posted', 'charge.posted']),
    );
  });

  it('is for entries their kind, or any where a balance is told', () => {
    const balances = ['account.balance_changed', 'account.paid_in_full'];
    expect(typesOfEntry('charge').sort()).toEqual([...balances, 'charge.posted']);
    expect(typesOfEntry('refund').sort()).toEqual([...balances, 'payment.refunded']);
    expect(typesOfEntry('debit').sort()).toEqual([...balances, 'adjustment.posted']);
  });
});
