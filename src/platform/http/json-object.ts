import { applyDecorators } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { ValidateBy } from 'class-validator';
import { AreObjects, field, type FieldOptions } from './fields.js';

/** An object as it came, of any names; with `texts` each of them has a text. */
export function JsonObject(options: FieldOptions & { texts?: boolean } = {}): PropertyDecorator {
  const { texts = false } = options;
  return applyDecorators(
    // The copy that is made of a plain object lacks names such as `toString`.
    Transform(({ obj, key }) => obj[key]),
    field(
      options,
      { type: 'object', additionalProperties: texts ? { type: 'string' } : true },
      AreObjects(),
      ...(texts ? [HasTexts()] : []),
    ),
  );
}

function HasTexts(): PropertyDecorator {
  return ValidateBy({
    name: 'hasTexts',
    validator: {
      validate: (value) => Object.values(value ?? {}).every((each) => typeof each === 'string'),
      defaultMessage: () => '$property must have a text under every name',
    },
  });
}
