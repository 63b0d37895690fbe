import { createHash } from 'node:crypto';
import { comparePositions, parsePosition, type Position } from '../src/events/position.js';

/** An event as the hub's log has it. */
export interface LoggedEvent {
  id: string;
  type: string;
  subject: string;
  subjectVersion: number;
  practiceId: string | null;
  position: string;
  timeMs: number;
}

/** One webhook at the receiver. */
export interface Arrival {
  eventId: string;
  endpointId: string;
  sequence: number;
  atMs: number;
  /** When it was answered with 2xx; undefined where it was refused or cut off. */
  acceptedAtMs?: number;
  verified: boolean;
}

/** One endpoint: what it should have got, and what it got. */
export interface Stream {
  id: string;
  name: string;
  ordering: 'none' | 'subject' | 'practice';
  /** The number of the newest delivery, as the hub says. */
  lastSequence: number;
  wants(event: LoggedEvent): boolean;
  /** In order of arrival. */
  arrivals: readonly Arrival[];
  /** As the hub says, where it has been asked for. */
  manifest?: { count: number; hash: string };
}

export interface Observations {
  /** How often each `type subject` must be in the log, from the facts that were accepted. */
  expected: ReadonlyMap<string, number>;
  /** In log order. */
  log: readonly LoggedEvent[];
  /** The ids that the feed shows, in its order. */
  feed: readonly string[];
  streams: readonly Stream[];
}

export interface Inversion {
  key: string;
  earlier: number;
  later: number;
}

export interface StreamVerdict {
  stream: Stream;
  due: number;
  received: number;
  lost: LoggedEvent[];
  /** Arrivals of what it had accepted before. */
  duplicates: number;
  /** Arrivals of what it had got and refused. */
  repetitions: number;
  /** First arrivals that did not wait until the earlier one of their key was accepted. */
  inversions: Inversion[];
  missingNumbers: number[];
  /** Whether the hub's manifest is that of what arrived. */
  manifestAgrees: boolean;
  /** Whatever else is wrong with it, in words. */
  faults: string[];
}

export interface Verdict {
  /** Facts that were accepted and are not in the log, `type subject`. */
  unsaid: string[];
  /** Events of the log that no accepted fact explains. */
  unexplained: string[];
  /** Subjects whose versions go down in the log. */
  disordered: string[];
  /** Where the feed first differs from the log. */
  feedFault?: string;
  streams: StreamVerdict[];
  holds: boolean;
}

/** `type subject`, the name of a fact in `Observations.expected`. */
export function nameOf({ type, subject }: Pick<LoggedEvent, 'type' | 'subject'>): string {
  return `${type} ${subject}`;
}

/** Compares what was accepted, what the log has and what arrived. Pure. */
export function evaluate({ expected, log, feed, streams }: Observations): Verdict {
  const verdicts = streams.map((stream) => judge(stream, log));
  const { unsaid, unexplained } = compareWithLog(expected, log);
  const disordered = disorderedSubjects(log);
  const feedFault = differenceOf(feed, log);
  const clean = [unsaid, unexplained, disordered].every(({ length }) => length === 0) && !feedFault;
  const holds = clean && verdicts.every(isClean);
  return { unsaid, unexplained, disordered, feedFault, streams: verdicts, holds };
}

export function isClean(verdict: StreamVerdict): boolean {
  const { lost, inversions, missingNumbers, faults } = verdict;
  return [lost, inversions, missingNumbers, faults].every(({ length }) => length === 0);
}

function compareWithLog(expected: ReadonlyMap<string, number>, log: readonly LoggedEvent[]) {
  const found = new Map<string, number>();
  for (const event of log) found.set(nameOf(event), (found.get(nameOf(event)) ?? 0) + 1);
  const unsaid: string[] = [];
  const unexplained: string[] = [];
  for (const [name, count] of expected) {
    if ((found.get(name) ?? 0) < count) unsaid.push(name);
  }
  // Types that say more about a fact, such as an account that is paid in full, are nobody's expectation.
  const types = new Set([...expected.keys()].map((name) => name.split(' ')[0]));
  for (const [name, count] of found) {
    if (types.has(name.split(' ')[0]) && count > (expected.get(name) ?? 0)) unexplained.push(name);
  }
  return { unsaid, unexplained };
}

function disorderedSubjects(log: readonly LoggedEvent[]): string[] {
  const versions = new Map<string, number>();
  const disordered = new Set<string>();
  for (const { subject, subjectVersion } of log) {
    if (subjectVersion < (versions.get(subject) ?? 0)) disordered.add(subject);
    versions.set(subject, subjectVersion);
  }
  return [...disordered];
}

function differenceOf(feed: readonly string[], log: readonly LoggedEvent[]): string | undefined {
  const length = Math.max(feed.length, log.length);
  for (let place = 0; place < length; place += 1) {
    const [shown, kept] = [feed[place], log[place]?.id];
    if (shown !== kept) return `at place ${place} the feed has ${shown} and the log ${kept}`;
  }
  return undefined;
}

interface FirstArrival {
  sequence: number;
  event: LoggedEvent;
  atMs: number;
  place: number;
  acceptedAtMs: number;
}

function judge(stream: Stream, log: readonly LoggedEvent[]): StreamVerdict {
  const due = log.filter((event) => stream.wants(event));
  const dueById = new Map(due.map((event) => [event.id, event]));
  const firsts = new Map<string, FirstArrival>();
  const eventOf = new Map<number, string>();
  const faults = new Set<string>();
  let [duplicates, repetitions] = [0, 0];
  stream.arrivals.forEach((arrival, place) => {
    const { eventId, sequence, endpointId } = arrival;
    if (!arrival.verified) faults.add(`the signature of event ${eventId} does not verify`);
    if (endpointId !== stream.id) faults.add(`event ${eventId} came for endpoint ${endpointId}`);
    const event = dueById.get(eventId);
    if (!event) {
      faults.add(`event ${eventId} arrived and is not for this endpoint, or not in the log`);
      return;
    }
    const numbered = eventOf.get(sequence);
    if (numbered !== undefined && numbered !== eventId) {
      faults.add(`number ${sequence} came with the events ${numbered} and ${eventId}`);
    }
    eventOf.set(sequence, eventId);
    const first = firsts.get(eventId);
    const acceptedAtMs = arrival.acceptedAtMs ?? Infinity;
    if (!first) firsts.set(eventId, { sequence, event, atMs: arrival.atMs, place, acceptedAtMs });
    else {
      if (first.sequence !== sequence) {
        faults.add(`event ${eventId} came under the numbers ${first.sequence} and ${sequence}`);
      }
      if (first.acceptedAtMs <= arrival.atMs) duplicates += 1;
      else repetitions += 1;
      first.acceptedAtMs = Math.min(first.acceptedAtMs, acceptedAtMs);
    }
  });
  for (const [id, { acceptedAtMs }] of firsts) {
    if (acceptedAtMs === Infinity) faults.add(`event ${id} arrived and was never accepted`);
  }
  const missingNumbers: number[] = [];
  for (let number = 1; number <= stream.lastSequence; number += 1) {
    if (!eventOf.has(number)) missingNumbers.push(number);
  }
  for (const number of eventOf.keys()) {
    if (!(number >= 1 && number <= stream.lastSequence))
      faults.add(`number ${number} is beyond the last`);
  }
  if (stream.lastSequence !== due.length) {
    faults.add(`the hub has numbered ${stream.lastSequence} events and ${due.length} are due`);
  }
  const manifestAgrees =
    !stream.manifest || stream.manifest.hash === hashOf(eventOf, stream.lastSequence);
  if (!manifestAgrees) faults.add('the manifest differs from what arrived');
  const bySequence = [...firsts.values()].sort((a, b) => a.sequence - b.sequence);
  for (const fault of misnumbered(bySequence)) faults.add(fault);
  return {
    stream,
    due: due.length,
    received: firsts.size,
    lost: due.filter(({ id }) => !firsts.has(id)),
    duplicates,
    repetitions,
    inversions: inversionsOf(stream.ordering, bySequence),
    missingNumbers,
    manifestAgrees,
    faults: [...faults],
  };
}

/** As docs/manifest.md tells partners to compute it. */
function hashOf(eventOf: ReadonlyMap<number, string>, lastSequence: number): string {
  const hash = createHash('sha256');
  for (let sequence = 1; sequence <= lastSequence; sequence += 1) {
    hash.update(`${sequence} ${eventOf.get(sequence) ?? '-'}\n`);
  }
  return hash.digest('hex');
}

/** Numbers must follow the log within each practice, whatever the ordering. */
function misnumbered(bySequence: readonly FirstArrival[]): string[] {
  const last = new Map<string, { position: Position; sequence: number }>();
  const faults: string[] = [];
  for (const { event, sequence } of bySequence) {
    const position = parsePosition(event.position)!;
    const practiceId = event.practiceId ?? '';
    const before = last.get(practiceId);
    if (before && comparePositions(before.position, position) >= 0) {
      faults.push(`the numbers ${before.sequence} and ${sequence} contradict the log`);
    }
    last.set(practiceId, { position, sequence });
  }
  return faults;
}

function inversionsOf(
  ordering: Stream['ordering'],
  bySequence: readonly FirstArrival[],
): Inversion[] {
  if (ordering === 'none') return [];
  const last = new Map<string, FirstArrival>();
  const inversions: Inversion[] = [];
  for (const next of bySequence) {
    const key = ordering === 'subject' ? next.event.subject : (next.event.practiceId ?? '');
    const before = last.get(key);
    // Milliseconds may be equal, places are not.
    const waited = before && before.place < next.place && before.acceptedAtMs <= next.atMs;
    if (before && !waited) inversions.push({ key, earlier: before.sequence, later: next.sequence });
    last.set(key, next);
  }
  return inversions;
}
