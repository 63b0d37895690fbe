import {
  Injectable,
  ValidationPipe,
  type ArgumentMetadata,
  type PipeTransform,
} from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import { isUUID } from 'class-validator';
import { invalidField, notFound, Problem, type ProblemError } from './problem.js';

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
    if (metadata.type === 'body') refuseStrange(value, '', 0);
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

/** Deeper than anything a request has to say. */
const mostDepth = 32;
/** Names that the framework would silently remove. */
const strange = new Set(['__proto__', 'constructor', 'prototype']);

/** Bounds what is looked through recursively later, and leaves nothing to be removed without a word. */
function refuseStrange(value: unknown, path: string, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    const pointer = `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (strange.has(name)) throw invalidField(pointer, 'unknown_field', 'No field has this name');
    if (depth >= mostDepth) throw invalidField(path, 'too_deep', 'This is nested too deeply');
    refuseStrange(member, pointer, depth + 1);
  }
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
