import { EnginePool } from '../../database/engine-pool.js';
import { bindingOfEvent } from '../../sealing/bindings.js';
import type { DataKeys, Lost } from '../../sealing/data-keys.js';
import { OpeningThread } from '../../sealing/opening-thread.js';
import { LoggedEvent, type LoggedEventRow } from './logged-event.js';
import { eventsSql } from './sql/due.js';

/** Bytes of event data that are kept for whoever asks next: one event to a hundred endpoints is read once. */
const mostBytes = 8_000_000;
/** What an event takes besides its data, roughly. */
const overhead = 1000;

/** So many payloads are worth the way to another thread; of fewer each would only come later. */
const fewestForThread = 16;

const asText = { getTypeParser: () => (value: string) => value };

export interface FoundEvents {
  events: Map<string, LoggedEvent>;
  /** Ids of those that are there, and cannot be opened before a master key is given (see `Locked`). */
  locked: ReadonlySet<string>;
}

const noneLocked: ReadonlySet<string> = new Set();

/** Events for delivery, read many at a time; the latest are kept. */
export class EventCache {
  private readonly kept = new Map<string, LoggedEvent>();
  private readonly reading = new Map<string, Promise<unknown>>();
  private bytes = 0;
  /** Of an event's data and what comes with it, of late: how much room so many take. */
  averageBytes = 2000;

  /** Rises when keys were destroyed: what was opened before is not kept. */
  private epoch = 0;
  private readonly thread: OpeningThread;

  constructor(
    private readonly pool: EnginePool,
    private readonly keys: DataKeys,
  ) {
    keys.onDestroyed(() => this.forget());
    this.thread = new OpeningThread((number) => keys.atHand(number));
  }

  onModuleDestroy(): Promise<void> {
    return this.thread.close();
  }

  /**
   * The events there are; those that retention has dropped are in neither answer. Kept for the next who asks are those that
   * several want now: of the others each would only make the garbage collector copy it.
   */
  async get(ids: readonly string[]): Promise<FoundEvents> {
    const wanted = new Set<string>();
    const shared = new Set<string>();
    for (const id of ids) (wanted.has(id) ? shared : wanted).add(id);
    const ahead = new Set([...wanted].map((id) => this.reading.get(id)).filter(Boolean));
    if (ahead.size > 0) await Promise.all(ahead);
    const found = new Map<string, LoggedEvent>();
    const missing: string[] = [];
    for (const id of wanted) {
      const event = this.kept.get(id);
      if (event) found.set(id, event);
      else missing.push(id);
    }
    if (missing.length === 0) return { events: found, locked: noneLocked };
    const { epoch } = this;
    const { events, locked } = await this.read(missing);
    for (const event of events) {
      found.set(event.id, event);
      if (shared.has(event.id)) this.keep(event, epoch);
    }
    return { events: found, locked };
  }

  /** Reads ahead what will be asked for in a moment. Failing is left to whoever asks. */
  prefetch(ids: ReadonlySet<string>): void {
    const missing = [...ids].filter((id) => !this.kept.has(id) && !this.reading.has(id));
    if (missing.length === 0) return;
    const { epoch } = this;
    const reading = this.read(missing).then(
      ({ events }) => events.forEach((event) => this.keep(event, epoch)),
      () => undefined,
    );
    for (const id of missing) this.reading.set(id, reading);
    void reading.then(() => missing.forEach((id) => this.reading.delete(id)));
  }

  private async read(
    ids: string[],
  ): Promise<{ events: LoggedEvent[]; locked: ReadonlySet<string> }> {
    const { rows } = await this.pool.query<LoggedEventRow>({
      name: 'due-events',
      text: eventsSql,
      // A list of ids needs no escaping; the driver would look for it in each of them.
      values: [`{${ids.join()}}`],
      rowMode: 'array',
      types: asText as never,
    });
    const opened = await this.open(rows);
    this.average(opened.events);
    return opened;
  }

  private async open(
    rows: readonly LoggedEventRow[],
  ): Promise<{ events: LoggedEvent[]; locked: ReadonlySet<string> }> {
    const bindings = rows.map(([, type, , practiceId, , subject, subjectVersion]) =>
      bindingOfEvent({ practiceId, type, subject, subjectVersion }),
    );
    const opened: (Buffer | null | { lost: Lost })[] =
      rows.length < fewestForThread
        ? []
        : await this.thread.open(
            rows.map((row) => row[15]),
            bindings,
          );
    const left = rows.flatMap((row, i) =>
      opened[i]
        ? []
        : [{ place: i, sealed: Buffer.from(row[15], 'base64'), binding: bindings[i]! }],
    );
    // Nearly always all keys are at hand.
    if (left.length > 0) await this.keys.have(left);
    let locked: Set<string> | undefined;
    for (const each of left) {
      const found = this.keys.openNow(each);
      if (typeof found === 'string') opened[each.place] = Buffer.from(found);
      else if (found.lost !== 'locked') opened[each.place] = found;
      else (locked ??= new Set()).add(rows[each.place]![0]);
    }
    if (!locked) {
      const events = rows.map((row, i) => new LoggedEvent(row, opened[i]!));
      return { events, locked: noneLocked };
    }
    const events = rows.flatMap((row, i) => (opened[i] ? [new LoggedEvent(row, opened[i])] : []));
    return { events, locked };
  }

  private forget(): void {
    this.epoch += 1;
    this.thread.forget();
    this.kept.clear();
    this.reading.clear();
    this.bytes = 0;
  }

  // The latest read counts for half, so that large events are noticed at once.
  private average(events: readonly LoggedEvent[]): void {
    if (events.length === 0) return;
    const sum = events.reduce((total, { dataBytes }) => total + dataBytes.length + overhead, 0);
    this.averageBytes = (this.averageBytes + sum / events.length) / 2;
  }

  private keep(event: LoggedEvent, epoch: number): void {
    if (this.kept.has(event.id) || epoch !== this.epoch) return;
    this.kept.set(event.id, event);
    this.bytes += event.dataBytes.length + overhead;
    for (const [id, oldest] of this.kept) {
      if (this.bytes <= mostBytes) return;
      this.kept.delete(id);
      this.bytes -= oldest.dataBytes.length + overhead;
    }
  }
}
