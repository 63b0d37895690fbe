/**
 * Who may see a field: `id` everybody who gets the event, `minimum` whoever may have what does not identify a
 * person, `full` only those granted everything (45 CFR 164.502(b), minimum necessary).
 */
export type Mark = 'id' | 'minimum' | 'full';

/** How much of an event somebody gets. `thin` shows the fields marked `id`. */
export type PayloadMode = 'thin' | 'minimum' | 'full';
export const payloadModes: readonly PayloadMode[] = ['thin', 'minimum', 'full'];

export type JsonSchema = Record<string, unknown>;

const rankOfMark: Record<Mark, number> = { id: 0, minimum: 1, full: 2 };
const rankOfMode: Record<PayloadMode, number> = { thin: 0, minimum: 1, full: 2 };

export function visible(mark: Mark, mode: PayloadMode): boolean {
  return rankOfMark[mark] <= rankOfMode[mode];
}

interface Shape<T> {
  schema(mode: PayloadMode): JsonSchema;
  /** What of a value the mode shows; only called where the field itself is visible. */
  project(value: T, mode: PayloadMode): unknown;
}

/** One field of an event: its mark, its schema, and whether it may be absent (`optional`) or null. */
export class Field<T, Optional extends boolean = false> {
  declare readonly type: T;

  constructor(
    readonly mark: Mark,
    private readonly shape: Shape<never>,
    readonly isOptional: Optional,
    private readonly isNullable = false,
  ) {}

  optional(): Field<T, true> {
    return new Field(this.mark, this.shape, true, this.isNullable);
  }

  nullable(): Field<T | null, Optional> {
    return new Field(this.mark, this.shape, this.isOptional, true);
  }

  schema(mode: PayloadMode): JsonSchema {
    const schema = this.shape.schema(mode);
    if (!this.isNullable) return schema;
    return 'enum' in schema
      ? { ...schema, enum: [...(schema.enum as unknown[]), null], type: ['string', 'null'] }
      : { ...schema, type: [schema.type, 'null'] };
  }

  project(value: unknown, mode: PayloadMode): unknown {
    return value === null ? null : this.shape.project(value as never, mode);
  }
}

export type Fields = Record<string, Field<unknown, boolean>>;

type OptionalKeys<F extends Fields> = {
  [K in keyof F]: F[K] extends Field<unknown, true> ? K : never;
}[keyof F];

/** The data that fields describe. */
export type DataOf<F extends Fields> = {
  [K in Exclude<keyof F, OptionalKeys<F>>]: F[K]['type'];
} & { [K in OptionalKeys<F>]?: F[K]['type'] };

function scalar<T>(schema: JsonSchema): Shape<T> {
  return { schema: () => schema, project: (value) => value };
}

function objectShape<F extends Fields>(fields: F): Shape<DataOf<F>> {
  return {
    schema: (mode) => schemaOf(fields, mode),
    project: (value, mode) => projectFields(fields, value, mode),
  };
}

function marked(mark: Mark) {
  const field = <T>(shape: Shape<T>) => new Field<T>(mark, shape as Shape<never>, false);
  return {
    uuid: () => field<string>(scalar({ type: 'string', format: 'uuid' })),
    text: () => field<string>(scalar({ type: 'string' })),
    integer: () => field<number>(scalar({ type: 'integer' })),
    flag: () => field<boolean>(scalar({ type: 'boolean' })),
    /** A moment, in UTC with milliseconds. */
    instant: () => field<string>(scalar({ type: 'string', format: 'date-time' })),
    date: () => field<string>(scalar({ type: 'string', format: 'date' })),
    /** A wall-clock time without an offset, `2026-03-08T09:30:00`. */
    localTime: () =>
      field<string>(
        scalar({ type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d(:\\d\\d)?' }),
      ),
    oneOf: <const V extends string>(...values: readonly V[]) =>
      field<V>(scalar({ type: 'string', enum: [...values] })),
    texts: () => field<string[]>(scalar({ type: 'array', items: { type: 'string' } })),
    object: <F extends Fields>(fields: F) => field<DataOf<F>>(objectShape(fields)),
    list: <F extends Fields>(fields: F) => {
      const item = objectShape(fields);
      return field<DataOf<F>[]>({
        schema: (mode) => ({ type: 'array', items: item.schema(mode) }),
        project: (values, mode) => values.map((value) => item.project(value, mode)),
      });
    },
    /**
     * The names of what an update changed. A name is shown only where its field is, since "email changed" is
     * itself a disclosure.
     */
    changedFields: <M extends Record<string, Mark>>(marks: M) =>
      field<(keyof M & string)[]>({
        schema: (mode) => {
          const names = Object.keys(marks).filter((name) => visible(marks[name]!, mode));
          // An empty enum is no valid schema: where nothing may be named, the list is empty.
          return {
            type: 'array',
            ...(names.length > 0 ? { items: { enum: names } } : { maxItems: 0 }),
          };
        },
        project: (names, mode) => names.filter((name) => visible(marks[name]!, mode)),
      }),
  };
}

/** Builders of fields by mark: `id.uuid()`, `full.text().optional()`. There is no field without a mark. */
export const id = marked('id');
export const minimum = marked('minimum');
export const full = marked('full');

/** JSON Schema (2020-12) of what `mode` shows. Never forbids unknown fields, so that a field can be added. */
export function schemaOf(fields: Fields, mode: PayloadMode): JsonSchema {
  const shown = Object.entries(fields).filter(([, field]) => visible(field.mark, mode));
  return {
    type: 'object',
    properties: Object.fromEntries(shown.map(([name, field]) => [name, field.schema(mode)])),
    required: shown.filter(([, field]) => !field.isOptional).map(([name]) => name),
  };
}

/** The one projection: webhooks, feed, streams, Kafka and reads all show exactly this. Pure. */
export function projectFields<F extends Fields>(
  fields: F,
  data: object,
  mode: PayloadMode,
): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  for (const name in fields) {
    const field = fields[name]!;
    const value = (data as Record<string, unknown>)[name];
    if (value !== undefined && visible(field.mark, mode)) shown[name] = field.project(value, mode);
  }
  return shown;
}
