import { notFound, Problem } from '../http/problem.js';
import type { Caller } from './caller.js';

/**
 * A practice that does not exist, or that lets the caller know nothing of this, in the same words: a partner may list
 * a practice of whose patients it may not know, and would be told an untruth by the words for what does not exist.
 */
export function unknownPractice({ kind }: Caller): Problem {
  if (kind !== 'partner') return notFound('practice');
  return new Problem(404, 'not_found', 'There is no such practice, or none that grants you this.');
}
