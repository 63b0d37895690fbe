import { eventTypes } from './catalog.js';

/** Whether a type matches any of the patterns: its name, `family.*` (every depth below), or `*`. Pure. */
export function matcherOf(patterns: readonly string[]): (type: string) => boolean {
  const exact = new Set(patterns);
  if (exact.has('*')) return () => true;
  const prefixes = patterns.filter((name) => name.endsWith('.*')).map((name) => name.slice(0, -1));
  return (type) => exact.has(type) || prefixes.some((prefix) => type.startsWith(prefix));
}

/** True where no type of the catalogue can ever match: most likely a typing mistake. */
export function matchesNothing(pattern: string): boolean {
  return !eventTypes.some(matcherOf([pattern]));
}
