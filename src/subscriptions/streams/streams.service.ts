import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { everything, scopeOfPractices, type Scope } from '../../database/scope.js';
import { ScopedReads } from '../../database/scoped-reads.js';
import type { StoredEvent } from '../../events/catalog/envelope.js';
import type { PayloadMode } from '../../events/catalog/fields.js';
import { openEvents, type EventRow } from '../../events/log/event-rows.js';
import { scopeOf, type Caller } from '../../platform/access/caller.js';
import { invalidParameter, notFound, Problem } from '../../platform/http/problem.js';
import { Settings } from '../../platform/settings.js';
import { DataKeys } from '../../sealing/data-keys.js';
import { WebhookBodies } from '../deliveries/webhook-body.js';
import type { Reach } from '../reach/reach.js';
import { readAccess } from '../reach/reaches.js';
import { over } from '../../database/querying.js';
import { restrictedAmong } from '../../events/log/restricted-events.js';
import { ManifestLines } from './manifest-lines.js';
import { mostInManifest, type Manifest, type ManifestQuery } from './stream.dto.js';
import { entriesSql, firstSequenceSql, streamEventsSql, streamSql } from './sql/stream.js';

/** Events are read and rendered in pieces, so that a page of very large ones ends before it is very large itself. */
const pieceSize = 100;
const mostPageBytes = 4 * 1024 * 1024;
/** Lines of a manifest in memory at once: half a megabyte. */
const manifestPieceSize = 10_000;
/**
 * How long a manifest may take; the longest there may be takes half a second, where grants decide about three, and about
 * one more where every event is of practices of which something was erased.
 */
const mostManifestMs = 20_000;

interface EntryRow {
  sequence: string;
  event_id: string | null;
  withheld_reason: string | null;
  practice_id: string | null;
  event_type: string | null;
}

interface Stream {
  endpointId: string;
  mode: PayloadMode;
  /** What its owner may hear of today. */
  reach: Reach;
  /** Its owner's, whoever asks: no other's number is read, and no event that it may not hear of. */
  scope: Scope;
  lastSequence: number;
}

/** What an endpoint was and will be sent, by number: to catch up with, and to prove that nothing is missing. */
@Injectable()
export class StreamsService {
  constructor(
    private readonly reads: ScopedReads,
    private readonly settings: Settings,
    private readonly keys: DataKeys,
  ) {}

  /**
   * A page of the endpoint's stream as JSON text: it is made of the same text that webhooks are made of.
   * @throws Problem 404; 410 for a number that the stream has not reached.
   */
  async page(caller: Caller, endpointId: string, after: number, limit: number): Promise<string> {
    const stream = await this.stream(caller, endpointId);
    const found: EntryRow[] = await this.reads
      .within(stream.scope)
      .query(entriesSql, [endpointId, after, limit]);
    const rows = found.map((row) =>
      row.withheld_reason === null && !covers(stream, row)
        ? { ...row, withheld_reason: 'revoked' }
        : row,
    );
    if (rows.length === 0 && after > stream.lastSequence) {
      throw new Problem(
        410,
        'cursor_ahead',
        `The stream ends at ${stream.lastSequence}. If this endpoint has given you a higher number, the hub was restored to an earlier state: go on after the end, and expect numbers you know with other events.`,
      );
    }
    const entries = numbered(rows, after, stream.lastSequence, limit);
    const shown: string[] = [];
    let bytes = 0;
    const bodies = new WebhookBodies(this.settings);
    for (let from = 0; from < entries.length && bytes < mostPageBytes; from += pieceSize) {
      const piece = entries.slice(from, from + pieceSize);
      const events = await this.events(stream, piece);
      const restricted = await this.restricted(stream, [...events.values()]);
      for (const { sequence, event_id, withheld_reason } of piece) {
        const event = event_id !== null ? events.get(event_id) : undefined;
        const reason = withheld_reason ?? reasonOf(event, restricted);
        const entry =
          event && reason === null
            ? `{"sequence":${sequence},"event":${bodies.body(event, modeOf(stream, event), endpointId, sequence).toString()}}`
            : `{"sequence":${sequence},"withheld":"${reason}"}`;
        shown.push(entry);
        bytes += entry.length;
        if (bytes >= mostPageBytes) break;
      }
    }
    return `{"data":[${shown.join(',')}],"nextCursor":"${after + shown.length}"}`;
  }

  /**
   * Count and hash of a stretch of numbers. Read in pieces, so that its length costs time and no memory.
   * @throws Problem 404; 410 for numbers that have passed retention; 422 for a stretch that is too long or takes too
   * long, or is not given out yet.
   */
  async manifest(caller: Caller, endpointId: string, query: ManifestQuery): Promise<Manifest> {
    const { lastSequence, reach, scope } = await this.stream(caller, endpointId);
    const { fromSequence = 1, toSequence = lastSequence } = query;
    checkStretch(fromSequence, toSequence, lastSequence);
    const hash = createHash('sha256');
    const pieces = await ManifestLines.for(this.reads.within(scope), endpointId, reach);
    const deadline = performance.now() + mostManifestMs;
    for (let from = fromSequence; from <= toSequence; from += manifestPieceSize) {
      const to = Math.min(toSequence, from + manifestPieceSize - 1);
      if (performance.now() > deadline) throw tooLong(fromSequence, from - fromSequence);
      const { count, lines } = await pieces.read(from, to);
      if (count !== to - from + 1) throw await this.expired(scope, endpointId, to);
      hash.update(lines!);
    }
    return {
      fromSequence,
      toSequence,
      count: toSequence - fromSequence + 1,
      hash: hash.digest('hex'),
    };
  }

  private async stream(caller: Caller, endpointId: string): Promise<Stream> {
    const manager = this.reads.within(scopeOf(caller));
    const [row]: {
      payload_mode: PayloadMode;
      last_sequence: string;
      owner: string;
      sandbox: boolean | null;
    }[] = await manager.query(streamSql, [endpointId]);
    if (!row) throw notFound('endpoint');
    const reach = (await readAccess(over(manager), [row])).of(row);
    return {
      endpointId,
      mode: row.payload_mode,
      reach,
      scope: reach.practices ? scopeOfPractices(reach.practices, row.owner) : everything,
      lastSequence: Number(row.last_sequence),
    };
  }

  // In full view: it yields only ids that it is given, and whoever were out of sight would pass for one whom anybody
  // may hear of.
  private restricted(
    { reach }: Stream,
    events: readonly StoredEvent[],
  ): Promise<ReadonlySet<string>> {
    return restrictedAmong(over(this.reads.within(everything)), reach.isGranted ? events : []);
  }

  private async events(
    { scope }: Stream,
    entries: readonly EntryRow[],
  ): Promise<Map<string, StoredEvent>> {
    const ids = entries
      .filter(({ event_id, withheld_reason }) => event_id !== null && withheld_reason === null)
      .map(({ event_id }) => event_id);
    const rows: EventRow[] = await this.reads.within(scope).query(streamEventsSql, [ids]);
    return new Map((await openEvents(rows, this.keys)).map((event) => [event.id, event]));
  }

  private async expired(scope: Scope, endpointId: string, seenThrough: number): Promise<Problem> {
    const [{ first }]: [{ first: string | null }] = await this.reads
      .within(scope)
      .query(firstSequenceSql, [endpointId]);
    const firstSequence = first === null ? seenThrough + 1 : Number(first);
    return new Problem(
      410,
      'sequence_expired',
      `Numbers below ${firstSequence} have passed retention. Ask with fromSequence=${firstSequence}.`,
      { extensions: { firstSequence } },
    );
  }
}

/**
 * Every number after one, up to the last that is known, also those whose deliveries are not on record any more: they
 * have passed retention, as their events have.
 */
function numbered(
  rows: readonly EntryRow[],
  after: number,
  lastSequence: number,
  limit: number,
): EntryRow[] {
  const bySequence = new Map(rows.map((row) => [row.sequence, row]));
  const last = Math.max(lastSequence, Number(rows.at(-1)?.sequence ?? 0));
  return Array.from({ length: Math.max(0, Math.min(last - after, limit)) }, (_, i) => {
    const sequence = String(after + 1 + i);
    return (
      bySequence.get(sequence) ?? {
        sequence,
        event_id: null,
        withheld_reason: null,
        practice_id: null,
        event_type: null,
      }
    );
  });
}

function checkStretch(from: number, to: number, last: number): void {
  if (to > last) {
    throw invalidParameter(
      'toSequence',
      'not_given_out',
      `The newest number is ${last}; a manifest covers what was numbered already.`,
    );
  }
  if (from > to + 1) {
    throw invalidParameter(
      'fromSequence',
      'behind_the_end',
      `fromSequence must not lie beyond toSequence, which is ${to}.`,
    );
  }
  if (to - from >= mostInManifest) {
    throw tooLong(from, mostInManifest);
  }
}

function tooLong(from: number, most: number): Problem {
  return invalidParameter(
    'toSequence',
    'too_long',
    `A manifest covers up to ${most} numbers here. Ask in pieces, the first up to ${from + most - 1}.`,
  );
}

/** Why an event that the endpoint's reach covers cannot be shown; null where it can. */
function reasonOf(event: StoredEvent | undefined, restricted: ReadonlySet<string>): string | null {
  if (!event) return 'expired';
  return event.lost ?? (restricted.has(event.id) ? 'revoked' : null);
}

function covers({ reach }: Stream, { practice_id, event_type }: EntryRow): boolean {
  return reach.covers({ practiceId: practice_id, type: event_type! });
}

function modeOf({ reach, mode }: Stream, event: StoredEvent): PayloadMode {
  return reach.modeOf(event, mode);
}
