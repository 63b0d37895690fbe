/**
 * What the statements of one caller may see and write. Row-level security compares it with every row, so that a
 * statement that forgets its practice or its owner finds nothing instead of a neighbour's (ADR 10).
 */
export interface Scope {
  /** Ids with commas between; `*` is every practice. */
  readonly practices: string;
  /** Whose endpoints, keys and kept answers; `operator` is everybody's. Empty: nobody's. */
  readonly actor: string;
}

/** Of whoever has not said for whom it works. */
export const nothing: Scope = { practices: '', actor: '' };

/** For the operator, and for what the hub does by itself over the API's connections. */
export const everything: Scope = { practices: '*', actor: 'operator' };

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * These practices, and what belongs to an actor.
 * @throws TypeError for what is no id: whatever stands here decides what is seen, so nothing else may get in.
 */
export function scopeOfPractices(ids: Iterable<string>, actor = ''): Scope {
  const practices = [...ids];
  if (!practices.every(isPracticeId)) throw new TypeError('A scope takes ids of practices only');
  return { practices: practices.join(','), actor };
}

/** Keys of locks may also name other subjects (`endpoints/{id}`). */
export function isPracticeId(key: string): boolean {
  return uuid.test(key);
}

export function isSameScope(a: Scope, b: Scope): boolean {
  return a === b || (a.practices === b.practices && a.actor === b.actor);
}
