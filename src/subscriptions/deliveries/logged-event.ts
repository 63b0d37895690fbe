import type { StoredEvent } from '../../events/catalog/envelope.js';
import type { Lost } from '../../sealing/data-keys.js';

/** The columns of `eventsSql`, all as text. */
export type LoggedEventRow = [
  id: string,
  type: string,
  typeVersion: string,
  practiceId: string | null,
  source: string,
  subject: string,
  subjectVersion: string,
  time: string,
  actor: string,
  correlationId: string,
  causationId: string | null,
  traceparent: string | null,
  position: string,
  patientId: string | null,
  accountId: string | null,
  sealed: string,
];

const nothing = Buffer.from('{}');

/**
 * An event as it was read for delivery: its data stays the bytes that were sealed and becomes an object only for a
 * payload mode that shows less than all of it.
 */
export class LoggedEvent implements StoredEvent {
  readonly id: string;
  readonly type: string;
  readonly practiceId: string | null;
  readonly source: string;
  readonly subject: string;
  readonly actor: string;
  readonly correlationId: string;
  readonly causationId: string | null;
  readonly traceparent: string | null;
  readonly position: string;
  readonly patientId: string | null;
  readonly accountId: string | null;
  /** RFC 3339, UTC, milliseconds. */
  readonly timeText: string;
  /** As JSON in UTF-8. */
  readonly dataBytes: Buffer;
  /** Why its data could not be opened. */
  readonly lost?: Lost;
  readonly typeVersionText: string;
  readonly subjectVersionText: string;
  /** What comes before the data in a webhook of payload mode `full`, once it has been rendered. */
  head?: Buffer;

  constructor(row: LoggedEventRow, opened: Buffer | { lost: Lost }) {
    this.id = row[0];
    this.type = row[1];
    this.typeVersionText = row[2];
    this.subjectVersionText = row[6];
    this.practiceId = row[3];
    this.source = row[4];
    this.subject = row[5];
    this.timeText = row[7];
    this.actor = row[8];
    this.correlationId = row[9];
    this.causationId = row[10];
    this.traceparent = row[11];
    this.position = row[12];
    this.patientId = row[13];
    this.accountId = row[14];
    if (Buffer.isBuffer(opened)) this.dataBytes = opened;
    else {
      this.dataBytes = nothing;
      this.lost = opened.lost;
    }
  }

  get typeVersion(): number {
    return Number(this.typeVersionText);
  }

  get subjectVersion(): number {
    return Number(this.subjectVersionText);
  }

  get time(): Date {
    return new Date(this.timeText);
  }

  get data(): object {
    return JSON.parse(this.dataBytes.toString()) as object;
  }
}
