import { Injectable } from '@nestjs/common';
import {
  execute,
  isPreparing,
  markEmitted,
  send,
  sendWhen,
  type EventTx,
  type Statement,
  type Tx,
} from '../../database/transactions.js';
import { bindingOfEvent } from '../../sealing/bindings.js';
import { DataKeys } from '../../sealing/data-keys.js';
import {
  definitionOf,
  type EventData,
  type EventType,
  type OwnersEventType,
} from '../catalog/catalog.js';
import { assertMatchesSchema } from './validate.js';

/** Who caused an event, and in the course of what. */
export interface Cause {
  /** `operator`, `applications/{id}`, `system/reminders`. */
  actor: string;
  correlationId: string;
  causationId?: string;
  traceparent?: string;
  /** The human behind an application's call, as the application names them. */
  onBehalfOf?: string;
}

/** Whose an event is: a practice's, or what its `source` says. */
type Origin<T extends EventType> = T extends OwnersEventType
  ? { practiceId: null; source: string }
  : { practiceId: string };

export type NewEvent<T extends EventType> = Origin<T> & {
  type: T;
  /** The id within the type's collection; an event about `appointments/{id}` gives the id. */
  subjectId: string;
  subjectVersion: number;
  data: EventData<T>;
  /** Whom it is about, where its data does not say so. */
  patientId?: string | null;
  /** When it became true; the database's clock where absent. */
  time?: Date;
};

/** Any new event, its data checked against its type. */
export type AnyNewEvent = { [T in EventType]: NewEvent<T> }[EventType];

/** The most bytes of data an event may have: brokers refuse large messages long after the fact is committed. */
export const mostDataBytes = 256 * 1024;

/** Thrown where an event could never be delivered; the transaction that says it must not commit. */
export class EventTooLarge extends Error {
  constructor(type: EventType) {
    super(`An event ${type} has more than ${mostDataBytes} bytes of data.`);
  }
}

// One statement for any number of events: `with ordinality` keeps their order in `seq`, and the generation is
// resolved once instead of once a row. What is sealed comes as one string of bytes, of which each event is a stretch: it
// goes out as it is, where an array of texts or bytes would be escaped on one side and read one by one on the other. The
// generation is looked up here as `hub_generation` does it, which is called only where none is found yet:
// the call took 96 µs, the look-up takes about 10.
const sayText = `
    insert into events (generation, type, type_version, practice_id, source, subject, subject_version, time,
                        actor, correlation_id, causation_id, traceparent, on_behalf_of, patient_id, account_id,
                        sealed)
    select (select coalesce(
              (select generation from log_generations
               where system_identifier = (select system_identifier from pg_control_system())
                 and wal_timeline = substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)),
              hub_generation())), type, type_version, practice_id,
           coalesce(source, '/practices/' || practice_id), subject, subject_version,
           coalesce(time, clock_timestamp()), $9, $10, $11, $12, $13, patient_id, account_id,
           substring($8::bytea from sealed_at for sealed_length)
    from unnest($1::text[], $2::smallint[], $3::uuid[], $4::text[], $5::text[], $6::int[], $7::timestamptz[],
                $14::uuid[], $15::uuid[], $16::int[], $17::int[])
      with ordinality as e (type, type_version, practice_id, source, subject, subject_version, time, patient_id,
                            account_id, sealed_at, sealed_length, place)
    order by place`;
// Whoever may cause an event need not be the one who may read it, which `returning` asks for.
const say: Statement = { name: 'outbox-say', text: sayText };
const append: Statement = { name: 'outbox-append', text: `${sayText} returning id` };

/** Where facts become events: the only way to say one. */
@Injectable()
export class Outbox {
  constructor(private readonly keys: DataKeys) {}

  /**
   * Writes events in the caller's transaction, so that each commits with its fact or not at all. The caller holds
   * the locks of the practices, or of the subject of an event without one (`Transactions.run`), which makes the log's
   * order the order of the facts.
   * @throws EventTooLarge above 256 KB of data; SchemaViolation where data does not match its type.
   */
  say(tx: Tx, cause: Cause, events: readonly AnyNewEvent[]): void {
    if (events.length === 0) return;
    const texts = events.map(jsonOf);
    const ready = this.keys.prepare(practicesOf(events));
    // Behind what was said before it and still waits for its key.
    if (ready || isPreparing(tx)) {
      const columns = Promise.resolve(ready).then(() => this.columnsOf(cause, events, texts));
      sendWhen(tx, columns, (values) => send(tx, say, values));
    } else {
      send(tx, say, this.columnsOf(cause, events, texts));
    }
    markEmitted(tx);
  }

  /** As `say`, and waits. @returns the events' ids, in the order given. */
  async append(tx: EventTx, cause: Cause, events: readonly AnyNewEvent[]): Promise<string[]> {
    if (events.length === 0) return [];
    const texts = events.map(jsonOf);
    await this.keys.prepare(practicesOf(events));
    const columns = this.columnsOf(cause, events, texts);
    const rows = await execute<{ id: string }>(tx, append, columns);
    markEmitted(tx);
    return rows.map(({ id }) => id);
  }

  private columnsOf(
    cause: Cause,
    events: readonly AnyNewEvent[],
    texts: readonly string[],
  ): unknown[] {
    const definitions = events.map(({ type }) => definitionOf(type));
    const subjects = events.map(({ subjectId }, i) => `${definitions[i]!.subject}/${subjectId}`);
    const sealed = events.map(({ practiceId, type, subjectVersion }, i) =>
      this.keys
        .sealing(practiceId)!
        .seal(
          texts[i]!,
          bindingOfEvent({ practiceId, type, subject: subjects[i]!, subjectVersion }),
        ),
    );
    // Counted from 1, as SQL counts.
    let end = 1;
    return [
      events.map(({ type }) => type),
      definitions.map(({ version }) => version),
      events.map(({ practiceId }) => practiceId),
      events.map((event) => (event.practiceId === null ? event.source : null)),
      subjects,
      events.map(({ subjectVersion }) => subjectVersion),
      events.map(({ time }) => time ?? null),
      sealed.length === 1 ? sealed[0] : Buffer.concat(sealed),
      cause.actor,
      cause.correlationId,
      cause.causationId ?? null,
      cause.traceparent ?? null,
      cause.onBehalfOf ?? null,
      events.map(({ data, patientId }) => idIn(data, 'patientId') ?? patientId ?? null),
      events.map(({ data }) => idIn(data, 'accountId')),
      sealed.map(({ length }) => (end += length) - length),
      sealed.map(({ length }) => length),
    ];
  }
}

function practicesOf(events: readonly AnyNewEvent[]): (string | null)[] {
  return events.map(({ practiceId }) => practiceId);
}

/** Whom an event is about, for those who decide or account for who hears of it without reading its data. */
function idIn(data: object, name: 'patientId' | 'accountId'): string | null {
  return (data as Record<string, string | undefined>)[name] ?? null;
}

function jsonOf({ type, data }: AnyNewEvent): string {
  assertMatchesSchema(type, data);
  const json = JSON.stringify(data);
  if (Buffer.byteLength(json) > mostDataBytes) throw new EventTooLarge(type);
  return json;
}
