import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { definitionOf, eventTypes } from '../../events/catalog/catalog.js';
import { projectEvent } from '../../events/catalog/envelope.js';
import { payloadModes, schemaOf, type PayloadMode } from '../../events/catalog/fields.js';
import { compile, type Filter } from '../filter/filter.js';
import { filterErrors } from '../filter/filter-rules.js';
import { narrower, Reach, type Grant } from './reach.js';

const grant = (id: string, types: string[], mode: PayloadMode): Grant => ({
  id,
  types,
  mode,
  purpose: null,
  agreement: null,
});
const payment = (practiceId: string | null) => ({ practiceId, type: 'payment.posted' });

describe('a reach', () => {
  const partner = Reach.from({
    elm: [grant('wide', ['payment.*'], 'full'), grant('narrow', ['*'], 'thin')],
    oak: [grant('only', ['payment.refunded'], 'minimum')],
  });

  it('of the operator is everything, of an application its practices, of a partner what is granted', () => {
    const application = Reach.from(['elm']);
    const table = [Reach.everything, application, partner].map((reach) => [
      reach.covers(payment('elm')),
      reach.covers(payment('oak')),
      reach.covers(payment(null)),
      reach.isLimited,
      reach.isGranted,
    ]);
    expect(table).toEqual([
      [true, true, true, false, false],
      [true, false, true, true, false],
      [true, false, true, true, true],
    ]);
  });

  it('tells an event under the first grant that covers it, and no wider than is asked for', () => {
    expect(partner.grantFor('elm', 'payment.posted')?.id).toBe('wide');
    expect(partner.grantFor('elm', 'patient.created')?.id).toBe('narrow');
    expect(partner.grantFor('oak', 'payment.posted')).toBeNull();
    const modes = (wanted: PayloadMode) => [
      partner.modeOf(payment('elm'), wanted),
      partner.modeOf({ practiceId: 'elm', type: 'patient.created' }, wanted),
      partner.modeOf({ practiceId: 'oak', type: 'payment.refunded' }, wanted),
      partner.modeOf(payment(null), wanted),
      Reach.from(['elm']).modeOf(payment('elm'), wanted),
    ];
    expect(modes('full')).toEqual(['full', 'thin', 'minimum', 'full', 'full']);
    expect(modes('minimum')).toEqual(['minimum', 'thin', 'minimum', 'minimum', 'minimum']);
  });

  it('tells it under the widest, in whichever order grants are given, of equals under the first', () => {
    const reach = Reach.from({
      elm: [
        grant('thin', ['*'], 'thin'),
        grant('full', ['payment.*'], 'full'),
        grant('later', ['payment.posted'], 'full'),
        grant('minimum', ['*'], 'minimum'),
      ],
    });
    const deciding = ['payment.posted', 'patient.created'].map((type) =>
      reach.grantFor('elm', type),
    );
    expect(deciding.map((each) => each?.id)).toEqual(['full', 'minimum']);
  });

  it('is less than another where something may be lost', () => {
    const [both, one] = [Reach.from(['elm', 'oak']), Reach.from(['elm'])];
    expect(one.isLessThan(both)).toBe(true);
    expect(both.isLessThan(one)).toBe(false);
    expect(one.isLessThan(Reach.everything)).toBe(true);
    expect(Reach.everything.isLessThan(one)).toBe(false);
    expect(partner.isLessThan(partner)).toBe(false);
    expect(Reach.from({}).isLessThan(partner)).toBe(true);
  });

  it('narrows like a lattice', () => {
    const mode = fc.constantFrom(...payloadModes);
    fc.assert(
      fc.property(mode, mode, (a, b) => {
        expect(narrower(a, b)).toBe(narrower(b, a));
        expect([a, b]).toContain(narrower(a, b));
        expect(narrower(narrower(a, b), 'thin')).toBe('thin');
      }),
    );
  });
});

describe('what a mode hides', () => {
  const type = fc.constantFrom(...eventTypes);
  const mode = fc.constantFrom<PayloadMode>('thin', 'minimum');

  it('decides nothing: events that differ in it alone pass the same filters, whatever these name', () => {
    fc.assert(
      fc.property(type, mode, fc.infiniteStream(fc.nat()), (type, mode, numbers) => {
        const { example, fields } = definitionOf(type);
        const other = otherwise(example, projectEvent({ type, data: example }, mode));
        const paths = pathsOf(schemaOf(fields, 'full'));
        const next = (most: number) => numbers.next().value! % most;
        const values = ['x', 0, null, true, ...leavesOf(example), ...leavesOf(other)];
        for (let nth = 0; nth < 10; nth++) {
          const path = paths[next(paths.length)]!;
          const value = values[next(values.length)]!;
          const operand = [
            { $eq: value },
            { $ne: value },
            { $gt: value },
            { $lte: value },
            { $in: [value] },
            { $nin: [value] },
            { $exists: next(2) === 0 },
          ][next(7)];
          const passes = compile({ [path]: operand } as Filter);
          const seen = [example, other].map((data) => passes(projectEvent({ type, data }, mode)));
          expect(seen[0]).toBe(seen[1]);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('is refused in a filter with the words for what does not exist', () => {
    fc.assert(
      fc.property(type, mode, (type, mode) => {
        const { fields } = definitionOf(type);
        const shown = new Set(pathsOf(schemaOf(fields, mode)));
        const answers = (name: string) =>
          filterErrors({ [name]: { $exists: true } }, [type], mode).map(({ code, detail }) => [
            code,
            detail,
          ]);
        const unknown = answers('there.is.no.such.field');
        for (const path of pathsOf(schemaOf(fields, 'full'))) {
          expect(answers(path)).toEqual(shown.has(path) ? [] : unknown);
        }
      }),
    );
  });

  it('is not named among what has changed', () => {
    for (const type of eventTypes) {
      const { example } = definitionOf(type);
      for (const mode of payloadModes) {
        const data = projectEvent({ type, data: example }, mode) as { changedFields?: string[] };
        const shown = new Set(pathsOf(schemaOf(definitionOf(type).fields, mode)));
        expect((data.changedFields ?? []).filter((name) => !shown.has(name))).toEqual([]);
      }
    }
  });
});

/** The same data, except for what is not shown of it. */
function otherwise(value: unknown, shown: unknown): any {
  if (shown === undefined) return scrambled(value);
  if (Array.isArray(value)) {
    const list = shown as unknown[];
    // Of a list of names, those that are hidden are gone; of a list of objects, each has its part that is shown.
    return value.every((each) => typeof each === 'string')
      ? [...list]
      : value.map((each, i) => otherwise(each, list[i]));
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      otherwise(member, (shown as Record<string, unknown>)[name]),
    ]),
  );
}

function scrambled(value: unknown): unknown {
  if (typeof value === 'string') return `${value}?`;
  if (typeof value === 'number') return value + 1;
  if (Array.isArray(value)) return [...value, ...value].map(scrambled);
  if (typeof value !== 'object' || value === null) return 'something';
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, scrambled(each)]));
}

function pathsOf(schema: any, prefix = ''): string[] {
  return Object.entries((schema.properties ?? {}) as Record<string, any>).flatMap(
    ([name, member]) => [prefix + name, ...pathsOf(member.items ?? member, `${prefix}${name}.`)],
  );
}

function leavesOf(value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return [value];
  return Object.values(value).flatMap(leavesOf);
}
