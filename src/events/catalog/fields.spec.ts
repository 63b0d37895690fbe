import { describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import ajvFormats from 'ajv-formats';
import {
  full,
  id,
  minimum,
  payloadModes,
  projectFields,
  schemaOf,
  visible,
  type Fields,
  type PayloadMode,
} from './fields.js';

const fields = {
  entryId: id.uuid(),
  amount: minimum.integer(),
  note: full.text().optional(),
  payer: minimum.object({
    type: minimum.oneOf('patient', 'insurance'),
    name: full.text().optional(),
  }),
  codes: minimum.list({ system: minimum.text(), value: full.text() }),
  operatory: minimum.object({ id: id.text() }).nullable(),
  changedFields: minimum.changedFields({ amount: 'minimum', note: 'full' }),
};

const data = {
  entryId: '019a0f5e-7c00-7000-8000-000000000041',
  amount: 100,
  note: 'private',
  payer: { type: 'patient' as const, name: 'Ada' },
  codes: [{ system: 'x', value: 'secret' }],
  operatory: null,
  changedFields: ['amount' as const, 'note' as const],
};

function accepts(what: Fields, mode: PayloadMode, value: object): boolean {
  const ajv = new Ajv2020({ strict: false });
  ajvFormats.default(ajv);
  return ajv.validate(schemaOf(what, mode), value);
}

describe('a mark', () => {
  it.each([
    ['id', ['thin', 'minimum', 'full']],
    ['minimum', ['minimum', 'full']],
    ['full', ['full']],
  ] as const)('%s is visible in %j', (mark, modes) => {
    expect(payloadModes.filter((mode) => visible(mark, mode))).toEqual(modes);
  });
});

describe('the projection', () => {
  it('shows in thin what is marked id', () => {
    expect(projectFields(fields, data, 'thin')).toEqual({ entryId: data.entryId });
  });

  it('hides in minimum whatever is marked full, at every depth', () => {
    expect(projectFields(fields, data, 'minimum')).toEqual({
      entryId: data.entryId,
      amount: 100,
      payer: { type: 'patient' },
      codes: [{ system: 'x' }],
      operatory: null,
      changedFields: ['amount'],
    });
  });

  it('shows in full everything that has a mark, and nothing that has none', () => {
    expect(projectFields(fields, { ...data, unmarked: 1 }, 'full')).toEqual(data);
    const payer = { ...data.payer, unmarked: 1 };
    expect(projectFields(fields, { ...data, payer }, 'full')).toEqual(data);
  });

  it('leaves out what is absent', () => {
    const { note: _, ...without } = data;
    expect(projectFields(fields, { ...without, note: undefined }, 'full')).toEqual(without);
  });
});

describe('the schema', () => {
  it.each(payloadModes)('describes exactly what %s shows', (mode) => {
    const shown = projectFields(fields, data, mode);
    expect(accepts(fields, mode, shown)).toBe(true);
    const { properties } = schemaOf(fields, mode) as { properties: object };
    expect(Object.keys(properties).sort()).toEqual(Object.keys(shown).sort());
  });

  it('allows fields it does not know, so that one can be added', () => {
    expect(accepts(fields, 'full', { ...data, later: true })).toBe(true);
  });

  it.each([
    ['without a field that is not optional', { amount: undefined }],
    ['with null where that is not said', { amount: null }],
    ['with another type', { amount: '100' }],
    ['with parts of a minor unit', { amount: 1.5 }],
    ['with an id that is none', { entryId: '4711' }],
    ['with an unknown name', { payer: { type: 'friend' } }],
    ['with a list of something else', { codes: [{ system: 'x' }] }],
    ['with a change of a field that is none', { changedFields: ['color'] }],
  ])('refuses data %s', (_, change) => {
    expect(accepts(fields, 'full', data)).toBe(true);
    expect(accepts(fields, 'full', JSON.parse(JSON.stringify({ ...data, ...change })))).toBe(false);
  });

  it('accepts a null or nothing only where a field says so', () => {
    const loose = {
      kind: minimum.oneOf('a', 'b').nullable(),
      at: minimum.instant().optional(),
      day: minimum.date().nullable().optional(),
    };
    expect(accepts(loose, 'full', { kind: null })).toBe(true);
    expect(accepts(loose, 'full', { kind: 'b', day: null })).toBe(true);
    expect(accepts(loose, 'full', {})).toBe(false);
    expect(accepts(loose, 'full', { kind: 'c' })).toBe(false);
    expect(accepts(loose, 'full', { kind: 'a', at: null })).toBe(false);
    expect(accepts(loose, 'full', { kind: 'a', at: '2026-03-08' })).toBe(false);
    expect(accepts(loose, 'full', { kind: 'a', day: '2026-02-30' })).toBe(false);
  });
});
