import { matcherOf } from '../../events/catalog/type-patterns.js';
import type { EventHeader } from '../../events/log/event-log.js';
import { comparePositions, type Position } from '../../events/position.js';

/** What fan-out needs to know of an endpoint. */
export interface Listener {
  id: string;
  eventTypes: string[];
  /** Null: every practice its owner may see. */
  practiceIds: string[] | null;
  /** Events settled before the endpoint was made are not for it. */
  from: Position;
}

interface Entry extends Listener {
  matches(type: string): boolean;
}

/**
 * The enabled endpoints, arranged so that an event meets only those that could want it: with ten thousand endpoints
 * of one practice each, an event looks at a handful.
 */
export class EndpointIndex {
  private readonly everywhere: Entry[] = [];
  private readonly byPractice = new Map<string, Entry[]>();

  constructor(listeners: readonly Listener[]) {
    for (const listener of listeners) {
      const entry = { ...listener, matches: matcherOf(listener.eventTypes) };
      if (!listener.practiceIds) this.everywhere.push(entry);
      for (const practiceId of listener.practiceIds ?? []) {
        const entries = this.byPractice.get(practiceId);
        if (entries) entries.push(entry);
        else this.byPractice.set(practiceId, [entry]);
      }
    }
  }

  /** For each endpoint that wants any of them, its events in the order given. */
  route(events: readonly EventHeader[]): Map<string, EventHeader[]> {
    const routes = new Map<string, EventHeader[]>();
    for (const event of events) {
      for (const entries of [this.everywhere, this.byPractice.get(event.practiceId ?? '') ?? []]) {
        for (const { id, matches, from } of entries) {
          if (!matches(event.type) || comparePositions(event.position, from) < 0) continue;
          const route = routes.get(id);
          if (route) route.push(event);
          else routes.set(id, [event]);
        }
      }
    }
    return routes;
  }
}
