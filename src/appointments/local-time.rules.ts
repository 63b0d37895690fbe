import { IANAZone } from 'luxon';

const dayMs = 86_400_000;
const minuteMs = 60_000;

/**
 * The moment at which a practice's wall clock shows `local` (`2026-03-08T09:30:00`). A time that does not exist,
 * because the clock is put forward over it, moves forward by the gap; of one that exists twice it is the first
 * (as RFC 5545 reads such times). Pure.
 *
 * luxon's own answer for a time that exists twice depends on the offset of the moment it is asked, so the two
 * offsets around the time are looked at here.
 */
export function instantOf(local: string, timeZone: string): Date {
  const zone = IANAZone.create(timeZone);
  const asIfUtc = Date.parse(`${local}Z`);
  const before = zone.offset(asIfUtc - dayMs);
  const after = zone.offset(asIfUtc + dayMs);
  if (before === after) return new Date(asIfUtc - before * minuteMs);
  const candidates = [before, after]
    .map((offset) => ({ offset, at: asIfUtc - offset * minuteMs }))
    .filter(({ offset, at }) => zone.offset(at) === offset)
    .map(({ at }) => at);
  // In a gap no candidate shows the time: the offset before the change carries it beyond the gap.
  return new Date(candidates.length > 0 ? Math.min(...candidates) : asIfUtc - before * minuteMs);
}

/**
 * What a practice's wall clock shows at a moment, without an offset. Pure. A burst of reminders asks this of every one,
 * and luxon's own formatting takes twice as long.
 */
export function localTimeOf(moment: Date, timeZone: string): string {
  const offset = IANAZone.create(timeZone).offset(moment.getTime());
  return withoutZone(new Date(moment.getTime() + offset * minuteMs));
}

/** The wall-clock time `days` earlier, at the same time of day or at `at` (`HH:MM`). Pure. */
export function daysEarlier(local: string, days: number, at?: string): string {
  const earlier = withoutZone(new Date(Date.parse(`${local}Z`) - days * dayMs));
  return at ? `${earlier.slice(0, 10)}T${at}:00` : earlier;
}

/** `2026-03-08T09:30:00`, with milliseconds only where there are any. */
function withoutZone(asIfUtc: Date): string {
  return asIfUtc.toISOString().replace(/(\.000)?Z$/, '');
}

export interface Times {
  start: Date;
  end: Date;
  timeZone: string;
  localStart: string;
}

/** An appointment's times with what the practice's wall clock shows at the start. Pure. */
export function timesInZone(start: Date, end: Date, timeZone: string): Times {
  return { start, end, timeZone, localStart: localTimeOf(start, timeZone) };
}

/** The same wall-clock start and the same length in another zone. Pure. */
export function timesMovedTo({ start, end, localStart }: Times, timeZone: string): Times {
  const moved = instantOf(localStart, timeZone);
  const length = end.getTime() - start.getTime();
  return timesInZone(moved, new Date(moved.getTime() + length), timeZone);
}
