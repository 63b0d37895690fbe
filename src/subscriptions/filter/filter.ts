import { allInterpreters, allParsingInstructions, createFactory } from '@ucast/mongo2js';

/** Conditions on an event's data, as MongoDB writes them: `{"amount": {"$gte": 10000}}`. */
export type Filter = Record<string, unknown>;

export const groupOperators = ['$and', '$or', '$nor'] as const;
export const fieldOperators = [
  '$eq',
  '$ne',
  '$gt',
  '$gte',
  '$lt',
  '$lte',
  '$in',
  '$nin',
  '$exists',
] as const;
export type FieldOperator = (typeof fieldOperators)[number];

// Only these: the library's others run regular expressions and functions.
const { $and, $or, $nor, $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists } =
  allParsingInstructions;
const parsers = { $and, $or, $nor, $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists };

const toPredicate = createFactory(parsers, allInterpreters, { compare, get: ownMember });

/**
 * Compares what can be compared: two texts, two numbers, two flags. Anything else is in no order, where the library's
 * own would let an absent field lie below every number.
 */
function compare<T>(a: T, b: T): 0 | 1 | -1 {
  if (a === b) return 0;
  if (typeof a !== typeof b || typeof a === 'object') return NaN as 0;
  return a > b ? 1 : a < b ? -1 : (NaN as 0);
}

function ownMember(value: unknown, name: string): unknown {
  const isObject = typeof value === 'object' && value !== null;
  return isObject && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

/**
 * What a filter says of an event's data. Pure; never throws, whatever the data. A filter that would not pass
 * `filterErrors` lets nothing pass.
 */
export function compile(filter: Filter): (data: object) => boolean {
  try {
    const predicate = toPredicate(filter as never);
    return (data) => predicate(data as never);
  } catch {
    return () => false;
  }
}

/** The paths of the fields that a filter names, each once. Pure. */
export function fieldsOf(filter: Filter): string[] {
  const fields = new Set<string>();
  const visit = (conditions: Filter): void => {
    for (const [name, operand] of Object.entries(conditions)) {
      if (!(groupOperators as readonly string[]).includes(name)) fields.add(name);
      else for (const each of operand as Filter[]) visit(each);
    }
  };
  visit(filter);
  return [...fields];
}
