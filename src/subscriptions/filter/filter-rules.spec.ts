import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { PayloadMode } from '../../events/catalog/fields.js';
import { filterErrors } from './filter-rules.js';
import type { Filter } from './filter.js';

function faults(filter: Filter, types = ['payment.posted'], mode: PayloadMode = 'minimum') {
  return filterErrors(filter, types, mode).map(({ pointer, code }) => [pointer, code]);
}

describe('a filter that is saved', () => {
  it.each<[Filter]>([
    [{ amount: { $gte: 10_000 }, method: { $in: ['card', 'cash'] } }],
    [{ 'payer.type': { $ne: 'patient' } }],
    [{ $or: [{ amount: 1 }, { $nor: [{ currency: null }] }] }],
    [{ payer: { $exists: true } }],
  ])('may be %j', (filter) => {
    expect(faults(filter)).toEqual([]);
  });

  it.each<[Filter, string, string]>([
    [{}, '/filter', 'malformed_filter'],
    [{ $where: 'true' }, '/filter/$where', 'unknown_filter_operator'],
    [{ method: { $regex: 'c' } }, '/filter/method/$regex', 'unknown_filter_operator'],
    [{ method: {} }, '/filter/method', 'malformed_filter'],
    [{ method: ['card'] }, '/filter/method', 'malformed_filter'],
    [{ amount: '1' }, '/filter/amount', 'malformed_filter'],
    [{ amount: { $gt: null } }, '/filter/amount/$gt', 'malformed_filter'],
    [{ amount: { $in: [] } }, '/filter/amount/$in', 'malformed_filter'],
    [{ amount: { $exists: 1 } }, '/filter/amount/$exists', 'malformed_filter'],
    [{ payer: 'patient' }, '/filter/payer', 'malformed_filter'],
    [{ $or: [] }, '/filter/$or', 'malformed_filter'],
    [{ $or: [{ amount: 1 }, 5] }, '/filter/$or', 'malformed_filter'],
    [{ $and: [{ birthDate: '2000-01-01' }] }, '/filter/$and/0/birthDate', 'unknown_filter_field'],
    [{ 'a/b~c': 1 }, '/filter/a~1b~0c', 'unknown_filter_field'],
    [JSON.parse('{"__proto__": 1}'), '/filter/__proto__', 'unknown_filter_field'],
    [{ 'payer.constructor': 1 }, '/filter/payer.constructor', 'unknown_filter_field'],
  ])('may not be %j', (filter, pointer, code) => {
    expect(faults(filter)).toEqual([[pointer, code]]);
  });

  it('gives hidden fields and fields that do not exist the same answer', () => {
    const answer = (name: string, mode: PayloadMode) =>
      filterErrors({ [name]: 'x' }, ['payment.posted'], mode).map(({ code, detail }) => [
        code,
        detail,
      ]);
    expect(answer('payer.name', 'full')).toEqual([]);
    expect(answer('payer.name', 'minimum')).toHaveLength(1);
    expect(answer('payer.name', 'minimum')).toEqual(answer('payer.nothing', 'minimum'));
    expect(answer('amount', 'thin')).toEqual(answer('nothing', 'thin'));
    expect(answer('payer.name', 'minimum')[0]![1]).not.toContain('payer.name');
    expect(answer('payer.name', 'minimum')[0]![1]).toContain('payer.type');
  });

  it.each<[Filter, string]>([
    [{ method: 'crad' }, '/filter/method'],
    [{ method: { $in: ['card', 'CASH'] } }, '/filter/method/$in'],
    [{ 'payer.type': { $ne: 'insurer' } }, '/filter/payer.type/$ne'],
    [{ $or: [{ method: { $nin: ['cheque'] } }] }, '/filter/$or/0/method/$nin'],
  ])('may not ask for what a field never is: %j', (filter, pointer) => {
    expect(faults(filter)).toEqual([[pointer, 'unknown_filter_value']]);
  });

  it('names the values that a field has, those of all its types, and leaves free text free', () => {
    const [fault] = filterErrors({ method: 'crad' }, ['payment.posted'], 'minimum');
    expect(fault!.detail).toMatch(/one of cash, card, check, transfer, other\.$/);
    expect(faults({ kind: 'human' })).toHaveLength(1);
    expect(faults({ kind: 'human' }, ['patient.created', 'payment.posted'])).toEqual([]);
    expect(faults({ currency: 'XXX', method: { $ne: null } })).toEqual([]);
    expect(faults({ changedFields: 'emial' }, ['patient.updated'])).toHaveLength(1);
    // Of those that a mode hides none is told apart from what does not exist.
    expect(faults({ changedFields: 'givenName' }, ['patient.updated'])).toHaveLength(1);
    expect(faults({ changedFields: 'givenName' }, ['patient.updated'], 'full')).toEqual([]);
  });

  it('may name a field that any of the types has', () => {
    expect(faults({ amount: 1 }, ['patient.*'])).toHaveLength(1);
    expect(faults({ amount: 1 }, ['patient.*', 'payment.*'])).toEqual([]);
    expect(faults({ reason: 'gone' }, ['endpoint.*'], 'thin')).toEqual([]);
  });

  it('is bounded in size, depth and conditions', () => {
    const deep = (levels: number): Filter =>
      levels === 1 ? { amount: 1 } : { $and: [deep(levels - 1)] };
    expect(faults(deep(5))).toEqual([]);
    expect(faults(deep(6)).map(([, code]) => code)).toEqual(['filter_too_deep']);
    const many = (count: number) => ({
      $or: Array.from({ length: count }, (_, i) => ({ amount: i })),
    });
    expect(faults(many(50))).toEqual([]);
    expect(faults(many(51))).toEqual([['/filter', 'filter_too_large']]);
    expect(faults({ method: 'x'.repeat(5000) })).toEqual([['/filter', 'filter_too_large']]);
  });

  it('is judged without an error, whatever it is', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (filter) => {
        expect(Array.isArray(filterErrors(filter as Filter, ['*'], 'full'))).toBe(true);
      }),
    );
  });
});
