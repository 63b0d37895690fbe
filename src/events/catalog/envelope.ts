import type { Lost } from '../../sealing/data-keys.js';
import { definitionOf, isEventType } from './catalog.js';
import { projectFields, type PayloadMode } from './fields.js';

/** An event as the log keeps it: everything, whoever may see it. */
export interface StoredEvent {
  id: string;
  type: string;
  typeVersion: number;
  /** `generation.xact.seq`, see position.ts. */
  position: string;
  practiceId: string | null;
  /** Whom it is about, as its data says too; an example is about nobody. */
  patientId?: string | null;
  accountId?: string | null;
  source: string;
  subject: string;
  subjectVersion: number;
  time: Date;
  actor: string;
  correlationId: string;
  causationId: string | null;
  traceparent: string | null;
  data: object;
  /** Why there is no data: it was erased, or does not open. */
  lost?: Lost;
}

/** CloudEvents 1.0 in structured JSON, with the hub's extensions. */
export interface CloudEvent {
  specversion: '1.0';
  id: string;
  type: string;
  source: string;
  subject: string;
  time: string;
  /** These two go with `data`. */
  datacontenttype?: 'application/json';
  dataschema?: string;
  practiceid?: string;
  subjectversion: number;
  actor: string;
  correlationid: string;
  causationid?: string;
  traceparent?: string;
  /** Left out, and `hubwithheld` says why, where it was erased or cannot be opened. */
  data?: Record<string, unknown>;
  hubwithheld?: Lost;
}

export interface View {
  mode: PayloadMode;
  /** What links and dataschema begin with, without a slash at the end. */
  publicUrl: string;
}

/** The event as somebody with this view gets it. Pure. */
export function toCloudEvent(stored: StoredEvent, { mode, publicUrl }: View): CloudEvent {
  const { practiceId, causationId, traceparent } = stored;
  return {
    specversion: '1.0',
    id: stored.id,
    type: stored.type,
    source: stored.source,
    subject: stored.subject,
    time: stored.time.toISOString(),
    ...(!stored.lost && {
      datacontenttype: 'application/json',
      dataschema: `${publicUrl}/v1/event-types/${stored.type}/versions/${stored.typeVersion}/schema?mode=${mode}`,
    }),
    ...(practiceId && { practiceid: practiceId }),
    subjectversion: stored.subjectVersion,
    actor: stored.actor,
    correlationid: stored.correlationId,
    ...(causationId && { causationid: causationId }),
    ...(traceparent && { traceparent }),
    ...(stored.lost
      ? { hubwithheld: stored.lost }
      : { data: projectData(stored, mode, publicUrl) }),
  };
}

/** `data` in a payload mode. What the catalogue does not know (a type since removed) shows nothing. */
export function projectEvent(
  { type, data }: Pick<StoredEvent, 'type' | 'data'>,
  mode: PayloadMode,
): Record<string, unknown> {
  return isEventType(type) ? projectFields(definitionOf(type).fields, data, mode) : {};
}

/** The same with the links that `thin` has instead of the rest. */
function projectData(
  { type, practiceId, data }: StoredEvent,
  mode: PayloadMode,
  publicUrl: string,
): Record<string, unknown> {
  if (!isEventType(type)) return {};
  const shown = projectEvent({ type, data }, mode);
  if (mode !== 'thin') return shown;
  const base = practiceId ? `${publicUrl}/v1/practices/${practiceId}` : `${publicUrl}/v1`;
  const links = Object.entries(definitionOf(type).links(data as never)).map(([name, path]) => [
    name,
    base + path,
  ]);
  return { ...shown, links: Object.fromEntries(links) };
}
