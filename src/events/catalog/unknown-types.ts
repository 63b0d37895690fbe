import { Problem, type ProblemError } from '../../platform/http/problem.js';
import { listOf } from '../../platform/http/lists.js';
import { matchesNothing } from './type-patterns.js';

/**
 * What is wrong with types and families that somebody asks for, in a body or in a query: those that nothing the hub
 * emits can ever match. Taken silently, a typing mistake would look as if nothing had happened. Pure.
 * @param placeOf where the one with this index stands in the request
 */
export function unknownTypes(
  patterns: readonly string[],
  placeOf: (index: number) => Pick<ProblemError, 'pointer' | 'parameter'>,
): ProblemError[] {
  return patterns.flatMap((pattern, i) =>
    matchesNothing(pattern)
      ? {
          ...placeOf(i),
          code: 'unknown_event_type',
          detail: 'The hub emits no such event. GET /v1/event-types lists what it emits.',
        }
      : [],
  );
}

/** Of the query parameter `eventTypes`, comma-separated. @throws Problem 422 for too many, or an unknown one. */
export function wantedTypes(text: string | undefined): string[] | undefined {
  const types = listOf(text, 'eventTypes', () => true);
  // A parameter is one place, however many are wrong in it.
  const [error] = unknownTypes(types ?? [], () => ({ parameter: 'eventTypes' }));
  if (!error) return types;
  throw new Problem(422, 'validation_failed', 'The request is understood but not valid.', {
    errors: [error],
  });
}
