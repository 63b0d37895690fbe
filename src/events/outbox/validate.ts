import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import ajvFormats from 'ajv-formats';
import { definitionOf, type EventType } from '../catalog/catalog.js';
import { schemaOf } from '../catalog/fields.js';

/** Thrown where an event does not say what its type promises: a mistake of the hub's, not of a caller's. */
export class SchemaViolation extends Error {}

const ajv = new Ajv2020({ strict: false });
ajvFormats.default(ajv);
const validators = new Map<EventType, ValidateFunction>();

/** @throws SchemaViolation naming the field and the rule, never the value, which may be a patient's. */
export function assertMatchesSchema(type: EventType, data: object): void {
  let validate = validators.get(type);
  if (!validate) {
    validate = ajv.compile(schemaOf(definitionOf(type).fields, 'full'));
    validators.set(type, validate);
  }
  if (validate(data)) return;
  const problems = validate.errors!.map(
    ({ instancePath, message }) => `${instancePath} ${message}`,
  );
  throw new SchemaViolation(`${type} does not match its schema: ${problems.join('; ')}`);
}
