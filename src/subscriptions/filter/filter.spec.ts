import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compile, fieldsOf, type Filter } from './filter.js';

const passes = (filter: Filter, data: object) => compile(filter)(data);

const payment = {
  amount: 12_000,
  method: 'card',
  payer: { type: 'insurance' },
  providers: [{ id: 'p1', role: 'hygienist' }, { id: 'p2' }],
  changedFields: ['email', 'phone'],
  operatory: null,
};

describe('a filter', () => {
  it.each<[Filter]>([
    [{ amount: 12_000 }],
    [{ amount: { $gte: 10_000, $lt: 20_000 } }],
    [{ method: { $in: ['card', 'cash'] } }],
    [{ 'payer.type': 'insurance' }],
    [{ 'providers.id': 'p2' }],
    [{ changedFields: 'phone' }],
    [{ operatory: null }],
    [{ operatory: { $exists: true } }],
    [{ note: { $exists: false } }],
    [{ note: null }],
    [{ note: { $ne: 'x' } }],
    [{ note: { $nin: ['x'] } }],
    [{ $or: [{ amount: { $lt: 0 } }, { $and: [{ method: 'card' }, { amount: { $gt: 1 } }] }] }],
    [{ $nor: [{ method: 'cash' }] }],
  ])('lets pass what satisfies %j', (filter) => {
    expect(passes(filter, payment)).toBe(true);
  });

  it.each<[Filter]>([
    [{ amount: { $gte: 10_000, $lt: 12_000 } }],
    [{ amount: '12000' }],
    [{ amount: { $lt: '13000' } }],
    [{ method: { $gt: 1 } }],
    [{ method: { $nin: ['card'] } }],
    [{ 'payer.type': { $ne: 'insurance' } }],
    [{ note: { $lt: 'z' } }],
    [{ note: { $lte: 5 } }],
    [{ 'payer.name': { $exists: true } }],
    [{ operatory: { $gte: 0 } }],
    [{ toString: { $exists: true } } as never],
    [{ 'payer.constructor': { $exists: true } }],
    [{ method: 'card', amount: 1 }],
  ])('stops what does not satisfy %j', (filter) => {
    expect(passes(filter, payment)).toBe(false);
  });

  it.each<[string, Filter]>([
    ['code', { $where: 'true' }],
    ['a regular expression', { method: { $regex: '.*' } }],
    ['a library operator that is not offered', { providers: { $size: 2 } }],
  ])('with %s lets nothing pass', (_, filter) => {
    expect(passes(filter, payment)).toBe(false);
  });

  it('never throws, whatever the data', () => {
    const names = fc.constantFrom('a', 'b', 'a.b', 'a.b.a', '__proto__', 'constructor', 'length');
    const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null));
    const operand = fc.oneof(
      value,
      fc.record({ $exists: fc.boolean() }),
      fc.record({ $gt: fc.oneof(fc.integer(), fc.string()) }),
      fc.record({ $nin: fc.array(value, { minLength: 1 }) }),
    );
    const members = fc.constantFrom('a', 'b', '__proto__', 'constructor', 'c');
    const { data } = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        value,
        fc.array(tie('any'), { maxLength: 3 }),
        fc.dictionary(members, tie('any'), { maxKeys: 3 }),
      ),
      data: fc.dictionary(members, tie('any'), { maxKeys: 4 }),
    }));
    fc.assert(
      fc.property(fc.dictionary(names, operand, { minKeys: 1 }), data, (filter, document) => {
        expect(typeof compile(filter)(document as object)).toBe('boolean');
      }),
      { numRuns: 500 },
    );
  });

  it('agrees with what its operators mean, on one flat field', () => {
    const scalar = fc.oneof(
      fc.constantFrom('', 'a', 'b', 'ab'),
      fc.integer({ min: -2, max: 2 }),
      fc.boolean(),
    );
    const operator = fc.constantFrom(...(Object.keys(naive) as (keyof typeof naive)[]));
    const field = fc.option(fc.oneof(scalar, fc.constant(null)), { nil: undefined });
    fc.assert(
      fc.property(operator, scalar, field, (name, wanted, found) => {
        const data = found === undefined ? {} : { x: found };
        const operand = name === '$in' || name === '$nin' ? [wanted] : wanted;
        expect(passes({ x: { [name]: operand } }, data)).toBe(naive[name](found, wanted));
      }),
      { numRuns: 2000 },
    );
  });
});

type Value = string | number | boolean | null | undefined;
// There is no order to true and false.
const comparable = (a: Value, b: Value) => typeof a === typeof b && typeof b !== 'boolean';

/** The operators as MongoDB describes them. */
const naive = {
  $eq: (found: Value, wanted: Value) => found === wanted,
  $ne: (found: Value, wanted: Value) => found !== wanted,
  $gt: (found: Value, wanted: Value) => comparable(found, wanted) && found! > wanted!,
  $gte: (found: Value, wanted: Value) => comparable(found, wanted) && found! >= wanted!,
  $lt: (found: Value, wanted: Value) => comparable(found, wanted) && found! < wanted!,
  $lte: (found: Value, wanted: Value) => comparable(found, wanted) && found! <= wanted!,
  $in: (found: Value, wanted: Value) => found === wanted,
  $nin: (found: Value, wanted: Value) => found !== wanted,
};

it('names its fields, at every depth, each once', () => {
  const filter = { a: 1, $or: [{ 'b.c': { $gt: 1 } }, { $nor: [{ d: 1, a: 2 }] }] };
  expect(fieldsOf(filter)).toEqual(['a', 'b.c', 'd']);
});
