import { definitionOf, eventTypes } from '../../events/catalog/catalog.js';
import { schemaOf, type JsonSchema, type PayloadMode } from '../../events/catalog/fields.js';
import { matcherOf } from '../../events/catalog/type-patterns.js';
import type { ProblemError } from '../../platform/http/problem.js';
import { fieldOperators, groupOperators, type FieldOperator, type Filter } from './filter.js';

const mostCharacters = 4096;
const mostConditions = 50;
const mostLevels = 5;
const mostValues = 100;

export const filterHelp =
  'Only events whose data satisfies all of these conditions, written as in MongoDB: `{"amount": {"$gte": 10000}}`. ' +
  `Operators of a field: ${fieldOperators.join(', ')}; of groups: ${groupOperators.join(', ')}. ` +
  'A dotted path names a field within another; of a list one item that fits is enough. Only fields that the payload mode shows, and of a field with a fixed set of values only those. ' +
  'A field that an event does not have satisfies `$exists: false`, `$ne`, `$nin` and a comparison with null, and nothing else. ' +
  `At most ${mostConditions} conditions, ${mostLevels} levels, ${mostCharacters} characters.`;

/** Of texts in an order, such as dates, a bound need not be a value itself. */
const comparesValues: ReadonlySet<FieldOperator> = new Set(['$eq', '$ne', '$in', '$nin']);

type Kind = 'string' | 'number' | 'boolean' | 'object';
/** What a field holds, over all types of events that have it. */
interface Shape {
  kinds: Set<Kind>;
  /** The only texts it can be; null where one of the types lets it be any. */
  values: Set<string> | null;
}
/** What the fields hold that a filter may name, by their paths. */
type Visible = Map<string, Shape>;

/**
 * What is wrong with a filter for an endpoint of these types and this mode. A field that the mode hides and one that
 * does not exist get the same answer. Pure.
 */
export function filterErrors(
  filter: Filter,
  patterns: readonly string[],
  mode: PayloadMode,
): ProblemError[] {
  if (JSON.stringify(filter).length > mostCharacters) {
    return [fault('/filter', 'filter_too_large', `At most ${mostCharacters} characters.`)];
  }
  const check = new Check(visibleFields(patterns, mode));
  check.conditions(filter, '/filter', 1);
  return check.errors;
}

class Check {
  readonly errors: ProblemError[] = [];
  private count = 0;

  constructor(private readonly visible: Visible) {}

  conditions(conditions: Filter, path: string, level: number): void {
    const entries = Object.entries(conditions);
    if (entries.length === 0) {
      this.refuse(path, 'malformed_filter', 'Name a condition; null takes the filter away.');
    }
    for (const [name, operand] of entries) {
      const place = pointerTo(path, name);
      if ((groupOperators as readonly string[]).includes(name)) this.group(operand, place, level);
      else if (name.startsWith('$')) this.unknownOperator(place, groupOperators);
      else this.field(name, operand, place);
    }
  }

  private group(operand: unknown, path: string, level: number): void {
    if (!Array.isArray(operand) || operand.length === 0 || !operand.every(isObject)) {
      this.refuse(path, 'malformed_filter', 'This operator takes a list of conditions.');
    } else if (level >= mostLevels) {
      this.refuse(path, 'filter_too_deep', `At most ${mostLevels} levels.`);
    } else {
      operand.forEach((each, i) => this.conditions(each, `${path}/${i}`, level + 1));
    }
  }

  private field(name: string, operand: unknown, path: string): void {
    const shape = this.visible.get(name);
    if (!shape) {
      const names = [...this.visible.keys()].sort().join(', ');
      const detail = `The events of this endpoint show no such field. They show: ${names}.`;
      this.refuse(path, 'unknown_filter_field', detail);
      return;
    }
    if (!isObject(operand)) {
      this.operand('$eq', operand, shape, path);
      return;
    }
    const entries = Object.entries(operand);
    if (entries.length === 0) {
      this.refuse(path, 'malformed_filter', 'Name an operator or a value.');
    }
    for (const [operator, value] of entries) {
      const place = pointerTo(path, operator);
      if (!isFieldOperator(operator)) this.unknownOperator(place, fieldOperators);
      else this.operand(operator, value, shape, place);
    }
  }

  private operand(operator: FieldOperator, value: unknown, shape: Shape, path: string): void {
    this.count += 1;
    if (this.count === mostConditions + 1) {
      this.refuse('/filter', 'filter_too_large', `At most ${mostConditions} conditions.`);
    }
    const expected = expectation(operator, value, shape.kinds);
    if (expected) this.refuse(path, 'malformed_filter', expected);
    else this.values(operator, value, shape, path);
  }

  /** What is never so would be silence that nobody notices, or with a negation no filter at all. */
  private values(operator: FieldOperator, value: unknown, { values }: Shape, path: string): void {
    if (!values || !comparesValues.has(operator)) return;
    const unknown = [value].flat().find((each) => typeof each === 'string' && !values.has(each));
    if (unknown === undefined) return;
    const detail = `This field is never that. It is one of ${[...values].join(', ')}.`;
    this.refuse(path, 'unknown_filter_value', detail);
  }

  private unknownOperator(path: string, allowed: readonly string[]): void {
    const detail = `The operators allowed here are ${allowed.join(', ')}.`;
    this.refuse(path, 'unknown_filter_operator', detail);
  }

  private refuse(pointer: string, code: string, detail: string): void {
    this.errors.push(fault(pointer, code, detail));
  }
}

/** What the operator wants instead, where it cannot take this value. */
function expectation(
  operator: FieldOperator,
  value: unknown,
  kinds: Set<Kind>,
): string | undefined {
  const scalars: string[] = [...kinds].filter((kind) => kind !== 'object');
  const fits = (each: unknown) => scalars.includes(typeof each);
  const wanted = scalars.length > 0 ? scalars.join(' or ') : 'nothing but null';
  switch (operator) {
    case '$exists':
      return typeof value === 'boolean' ? undefined : '$exists takes true or false.';
    case '$eq':
    case '$ne':
      return value === null || fits(value) ? undefined : `This field is compared with ${wanted}.`;
    case '$in':
    case '$nin': {
      const isList = Array.isArray(value) && value.length > 0 && value.length <= mostValues;
      if (isList && value.every(fits)) return undefined;
      return `${operator} takes a list of 1 to ${mostValues} values, here of ${wanted}.`;
    }
    default: {
      const isOrdered = typeof value === 'string' || typeof value === 'number';
      return isOrdered && fits(value) ? undefined : `${operator} takes a ${wanted} of this field.`;
    }
  }
}

function visibleFields(patterns: readonly string[], mode: PayloadMode): Visible {
  const visible: Visible = new Map();
  for (const type of eventTypes.filter(matcherOf(patterns))) {
    collect(schemaOf(definitionOf(type).fields, mode), '', visible);
  }
  return visible;
}

function collect(schema: JsonSchema, prefix: string, visible: Visible): void {
  for (const [name, member] of Object.entries((schema.properties ?? {}) as object)) {
    const path = prefix + name;
    // Of a list its items count.
    const item: JsonSchema = member.items ?? member;
    visible.set(path, widened(visible.get(path), item));
    collect(item, `${path}.`, visible);
  }
}

/** A shape that also has what this schema allows. */
function widened(shape: Shape | undefined, schema: JsonSchema): Shape {
  const kinds = kindsOf(schema);
  const texts = (schema.enum as unknown[] | undefined)?.filter((each) => typeof each === 'string');
  const isOpen = shape?.values === null || (!texts && kinds.includes('string'));
  return {
    kinds: new Set([...(shape?.kinds ?? []), ...kinds]),
    values: isOpen ? null : new Set([...(shape?.values ?? []), ...(texts ?? [])]),
  };
}

function kindsOf({ type, enum: values }: JsonSchema): Kind[] {
  const types = [type ?? (values ? 'string' : [])].flat() as string[];
  return types
    .map((each) => (each === 'integer' ? 'number' : each === 'array' ? 'object' : each))
    .filter((each): each is Kind => each !== 'null');
}

function isFieldOperator(name: string): name is FieldOperator {
  return (fieldOperators as readonly string[]).includes(name);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fault(pointer: string, code: string, detail: string): ProblemError {
  return { pointer, code, detail };
}

/** RFC 6901 */
function pointerTo(path: string, name: string): string {
  return `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}
