import { applyDecorators } from '@nestjs/common';
import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsString,
  isEmail,
  IsUrl,
  IsUUID,
  Matches,
  Max,
  MaxLength,
  Min,
  MinLength,
  ValidateBy,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { IANAZone } from 'luxon';

/*
 * One decorator per kind of field: what is checked, what is told when it fails, and what OpenAPI says of it come
 * from the same line.
 */

export interface FieldOptions {
  optional?: boolean;
  /** On a PATCH: null clears the field. */
  nullable?: boolean;
  description?: string;
  example?: unknown;
}

export function field(
  options: FieldOptions,
  schema: Record<string, unknown>,
  ...checks: PropertyDecorator[]
): PropertyDecorator {
  const { optional = false, nullable = false, description, example } = options;
  return applyDecorators(
    ...(optional || nullable
      ? [
          ValidateIf(
            (_, value) => !(optional && value === undefined) && !(nullable && value === null),
          ),
        ]
      : []),
    ...checks,
    ApiProperty({
      ...schema,
      required: !optional,
      ...(nullable && { nullable }),
      ...(description && { description }),
      ...(example !== undefined && { example }),
    } as ApiPropertyOptions),
  );
}

// PostgreSQL cannot store U+0000, and control characters in a name are a mistake everywhere.
/* oxlint-disable no-control-regex */
const noControl = /^[^\u0000-\u001f\u007f]*$/;
const noControlButLines = /^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]*$/;
/* oxlint-enable no-control-regex */
// Half of a surrogate pair, as a client that cuts UTF-16 after so many units sends it: no Unicode text, and jsonb
// cannot store it.
const wellFormed = /^\P{Surrogate}*$/u;

/**
 * Text of `least` to `most` characters without control characters (but line breaks, where `lines`).
 * @param options `pattern` with what it takes in words, as they follow "must"
 */
export function Text(
  options: FieldOptions & {
    least?: number;
    most?: number;
    lines?: boolean;
    pattern?: { is: RegExp; must: string };
  } = {},
): PropertyDecorator {
  const { least = 1, most = 200, lines = false, pattern } = options;
  return field(
    options,
    { type: 'string', minLength: least, maxLength: most },
    IsString(),
    MinLength(least),
    MaxLength(most),
    Matches(lines ? noControlButLines : noControl, {
      message: '$property must not contain control characters',
    }),
    Matches(wellFormed, { message: '$property must be well-formed Unicode' }),
    ...(pattern ? [Matches(pattern.is, { message: `$property must ${pattern.must}` })] : []),
  );
}

export function Uuid(options: FieldOptions = {}): PropertyDecorator {
  return field(options, { type: 'string', format: 'uuid' }, IsUUID());
}

export function Email(options: FieldOptions = {}): PropertyDecorator {
  return field(
    options,
    { type: 'string', format: 'email', maxLength: 254 },
    ValidateBy({
      name: 'isEmail',
      validator: {
        // The library throws at half a surrogate pair.
        validate: (value) => typeof value === 'string' && wellFormed.test(value) && isEmail(value),
        defaultMessage: () => '$property must be an email',
      },
    }),
  );
}

export function Url(options: FieldOptions = {}): PropertyDecorator {
  return field(
    options,
    { type: 'string', format: 'uri', maxLength: 2048 },
    MaxLength(2048),
    IsUrl({ require_tld: false, require_protocol: true, protocols: ['http', 'https'] }),
  );
}

const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;

/** A moment with an offset (RFC 3339); one without is refused, because it names no moment. */
export function Instant(options: FieldOptions = {}): PropertyDecorator {
  return field(
    options,
    { type: 'string', format: 'date-time' },
    ValidateBy({
      name: 'isInstant',
      validator: {
        validate: isInstant,
        defaultMessage: () =>
          `$property must be an RFC 3339 time with an offset, such as 2026-03-08T09:30:00-05:00, ${ofYears}`,
      },
    }),
  );
}

function isInstant(value: unknown): boolean {
  if (typeof value !== 'string' || !rfc3339.test(value)) return false;
  return isDay(value.slice(0, 10)) && !Number.isNaN(Date.parse(value));
}

const ofYears = 'in the years 1900 to 2199';

/** True for a day of the calendar in the years 1900 to 2199; `Date` alone would roll 31 February over. */
function isDay(value: unknown): boolean {
  if (typeof value !== 'string' || !/^(19|20|21)\d\d-\d\d-\d\d$/.test(value)) return false;
  const date = new Date(`${value}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(value);
}

export function LocalDate(options: FieldOptions = {}): PropertyDecorator {
  return field(
    options,
    { type: 'string', format: 'date' },
    ValidateBy({
      name: 'isLocalDate',
      validator: {
        validate: isDay,
        defaultMessage: () => `$property must be a day such as 2026-03-08, ${ofYears}`,
      },
    }),
  );
}

/** A time of day, `HH:MM`. */
export function TimeOfDay(options: FieldOptions = {}): PropertyDecorator {
  return field(
    options,
    { type: 'string', pattern: '^([01]\\d|2[0-3]):[0-5]\\d$' },
    Matches(/^([01]\d|2[0-3]):[0-5]\d$/, { message: '$property must be a time such as 09:00' }),
  );
}

/** An IANA time zone; a fixed offset is none, because it knows no daylight saving. */
export function Zone(options: FieldOptions = {}): PropertyDecorator {
  return field(
    options,
    { type: 'string', example: 'America/Chicago' },
    ValidateBy({
      name: 'isTimeZone',
      validator: {
        validate: (value) =>
          typeof value === 'string' && /^[A-Za-z]/.test(value) && IANAZone.isValidZone(value),
        defaultMessage: () => '$property must be an IANA time zone such as America/Chicago',
      },
    }),
  );
}

const currencies = new Set(Intl.supportedValuesOf('currency'));

export function Currency(options: FieldOptions = {}): PropertyDecorator {
  return field(
    options,
    { type: 'string', example: 'USD', minLength: 3, maxLength: 3 },
    ValidateBy({
      name: 'isCurrency',
      validator: {
        validate: (value) => currencies.has(value),
        defaultMessage: () => '$property must be an ISO 4217 currency such as USD',
      },
    }),
  );
}

/** Money in minor units: a positive integer. The kind of entry gives the sign. */
export function Amount(options: FieldOptions = {}): PropertyDecorator {
  return Int({ least: 1, most: 100_000_000_000, ...options });
}

export function Int(
  options: FieldOptions & { least: number; most: number; query?: boolean },
): PropertyDecorator {
  const { least, most, query } = options;
  // JavaScript reads `0x10` and ` 16 ` as numbers too. What is too long to be exact is out of every range.
  const fromQuery = Transform(({ value }) =>
    typeof value === 'string' && /^-?\d{1,300}$/.test(value) ? Number(value) : value,
  );
  const message = `$property must be a whole number from ${least} to ${most}`;
  return applyDecorators(
    ...(query ? [fromQuery] : []),
    field(
      options,
      { type: 'integer', minimum: least, maximum: most },
      IsInt({ message }),
      Min(least, { message }),
      Max(most, { message }),
    ),
  );
}

export function Flag(options: FieldOptions & { query?: boolean } = {}): PropertyDecorator {
  const fromQuery = Transform(({ value }) =>
    value === 'true' ? true : value === 'false' ? false : value,
  );
  return applyDecorators(
    ...(options.query ? [fromQuery] : []),
    field(options, { type: 'boolean' }, IsBoolean()),
  );
}

export function OneOf(values: readonly string[], options: FieldOptions = {}): PropertyDecorator {
  return field(options, { type: 'string', enum: [...values] }, IsIn(values));
}

/** One or more of a few names, each once. */
export function Choices(values: readonly string[], options: FieldOptions = {}): PropertyDecorator {
  return field(
    options,
    { enum: [...values], isArray: true, minItems: 1 },
    IsArray(),
    ArrayMinSize(1),
    ArrayUnique(),
    IsIn(values, { each: true }),
  );
}

// Swagger takes a function for a lazy type only by its shape, `() => type()`.

/** An object with fields of its own. */
export function Nested(
  type: () => new () => object,
  options: FieldOptions = {},
): PropertyDecorator {
  return applyDecorators(
    Type(type),
    field(options, { type: () => type() }, AreObjects(), ValidateNested()),
  );
}

// ValidateNested lets arrays through, item by item.
export function AreObjects(options: { each?: boolean } = {}): PropertyDecorator {
  return ValidateBy(
    {
      name: 'isObject',
      validator: {
        validate: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
        defaultMessage: () =>
          options.each ? '$property must be a list of objects' : '$property must be an object',
      },
    },
    options,
  );
}

/** A list of objects, at most `most`. */
export function NestedList(
  type: () => new () => object,
  options: FieldOptions & { most: number },
): PropertyDecorator {
  return applyDecorators(
    Type(type),
    field(
      options,
      { type: () => type(), isArray: true, maxItems: options.most },
      IsArray(),
      ArrayMaxSize(options.most),
      AreObjects({ each: true }),
      ValidateNested({ each: true }),
    ),
  );
}

/** A list of different texts, at most `most`. */
export function TextList(
  options: FieldOptions & { most: number; least?: number; uuid?: boolean },
): PropertyDecorator {
  const { most, least = 0, uuid = false } = options;
  return field(
    options,
    {
      type: 'string',
      isArray: true,
      minItems: least,
      maxItems: most,
      ...(uuid && { format: 'uuid' }),
    },
    IsArray(),
    ArrayMinSize(least),
    ArrayMaxSize(most),
    ArrayUnique(),
    ...(uuid
      ? [IsUUID('all', { each: true })]
      : [
          IsString({ each: true }),
          MaxLength(200, { each: true }),
          Matches(wellFormed, { each: true, message: '$property must be well-formed Unicode' }),
        ]),
  );
}
