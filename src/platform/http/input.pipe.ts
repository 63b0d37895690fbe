import {
  Injectable,
  ValidationPipe,
  type ArgumentMetadata,
  type PipeTransform,
} from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import { isUUID } from 'class-validator';
import { isStrange } from './json-body.js';
import { invalidParameter, notFound, Problem, type ProblemError } from './problem.js';

class Invalid extends Error {
  constructor(readonly errors: ValidationError[]) {
    super('invalid');
  }
}

/** Checks bodies and queries against their DTO; every fault is named at once, and no value is repeated. */
@Injectable()
export class InputPipe extends ValidationPipe {
  constructor() {
    super({
      transform: true,
      stopAtFirstError: true,
      whitelist: true,
      forbidNonWhitelisted: true,
      forbidUnknownValues: false,
      validationError: { target: false, value: false },
      exceptionFactory: (errors) => new Invalid(errors),
    });
  }

  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    if (metadata.type === 'custom' || metadata.type === 'param') return value;
    if (metadata.type === 'body' && !isObject(value ?? {})) {
      throw new Problem(422, 'validation_failed', 'The body must be a JSON object.');
    }
    if (metadata.type === 'query') {
      const name = Object.keys(value ?? {}).find(isStrange);
      if (name) throw invalidParameter(name, 'unknown_field', 'No parameter has this name.');
    }
    try {
      return await super.transform(value ?? {}, metadata);
    } catch (error) {
      if (!(error instanceof Invalid)) throw error;
      const errors = error.errors.flatMap((each) => describe(each, '', metadata.type === 'query'));
      throw new Problem(422, 'validation_failed', 'The request is understood but not valid.', {
        errors,
      });
    }
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function describe(error: ValidationError, path: string, isQuery: boolean): ProblemError[] {
  const { property, constraints = {}, children = [] } = error;
  const pointer = `${path}/${property.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  const place = isQuery ? { parameter: property } : { pointer };
  const own = Object.entries(constraints).map(([rule, detail]) =>
    rule === 'whitelistValidation'
      ? { ...place, code: 'unknown_field', detail: `${property} is not a field of this request` }
      : { ...place, code: codeOf(rule), detail },
  );
  return [...own, ...children.flatMap((child) => describe(child, pointer, isQuery))];
}

function codeOf(rule: string): string {
  return rule.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`).replace(/^is_/, 'not_');
}

/** For ids in paths: what is no UUID names nothing. Used as `@Param('id', new IdOf('patient'))`. */
export class IdOf implements PipeTransform<string, string> {
  constructor(private readonly what: string) {}

  transform(value: string): string {
    if (!isUUID(value)) throw notFound(this.what);
    return value.toLowerCase();
  }
}
