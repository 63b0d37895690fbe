import {
  definitionOf,
  eventTypes,
  isOwnersType,
  type EventType,
} from '../../events/catalog/catalog.js';
import { toCloudEvent, type CloudEvent, type View } from '../../events/catalog/envelope.js';
import { matcherOf } from '../../events/catalog/type-patterns.js';

/** Of the catalogue's examples, but for those of no practice; there is none of this id. */
const examplePractice = '019a0f5e-7c00-7000-8000-0000000000f1';

/** Who wants to see it, and when; `owner` is that of the endpoint. */
export interface ExampleContext {
  id: string;
  time: Date;
  owner: string;
  actor: string;
  correlationId: string;
  traceparent?: string;
}

/** The catalogue's example of a type as it would look if it had just happened. Pure. */
export function exampleEvent(type: EventType, context: ExampleContext, view: View): CloudEvent {
  const { version, subject, example } = definitionOf(type);
  const subjectId = (example as Record<string, unknown>)[`${subject.slice(0, -1)}Id`];
  const { id, time, owner, actor, correlationId, traceparent = null } = context;
  const practiceId = isOwnersType(type) ? null : examplePractice;
  const stored = {
    id,
    type,
    typeVersion: version,
    position: '',
    practiceId,
    source: practiceId ? `/practices/${practiceId}` : `/${owner}`,
    subject: `${subject}/${String(subjectId)}`,
    subjectVersion: 1,
    time,
    actor,
    correlationId,
    causationId: null,
    traceparent,
    data: example,
  };
  return toCloudEvent(stored, view);
}

/** The first type that the first of these patterns names; undefined where none of them names any. Pure. */
export function firstTypeOf(patterns: readonly string[]): EventType | undefined {
  for (const pattern of patterns) {
    const type = eventTypes.find(matcherOf([pattern]));
    if (type) return type;
  }
  return undefined;
}
