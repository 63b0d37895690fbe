import type { StoredEvent } from '../../events/catalog/envelope.js';
import { matcherOf } from '../../events/catalog/type-patterns.js';
import type { EventHeader } from '../../events/log/event-log.js';
import { comparePositions, type Position } from '../../events/position.js';

/** What fan-out needs to know of an endpoint. */
export interface Listener {
  id: string;
  /** As events spell their actor: `operator`, `applications/{id}`. */
  owner: string;
  eventTypes: string[];
  /** Null: every practice its owner may see. */
  practiceIds: string[] | null;
  /** Nothing that its owner caused. */
  excludeOwn: boolean;
  /** Events settled before the endpoint was made are not for it. */
  from: Position;
}

/** Reads whole events; one that the log holds no more is not in the answer. */
export type ReadEvents = (ids: readonly string[]) => Promise<readonly StoredEvent[]>;

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
  private readonly byOwner = new Map<string, Entry[]>();

  constructor(listeners: readonly Listener[]) {
    for (const listener of listeners) {
      const entry = { ...listener, matches: matcherOf(listener.eventTypes) };
      put(this.byOwner, entry.owner, entry);
      if (!entry.practiceIds) this.everywhere.push(entry);
      for (const practiceId of entry.practiceIds ?? []) put(this.byPractice, practiceId, entry);
    }
  }

  /**
   * For each endpoint that wants any of them, its events in the order given. Most events are routed by their headers;
   * only those whose content decides are read.
   */
  async route(
    events: readonly EventHeader[],
    read: ReadEvents,
  ): Promise<Map<string, EventHeader[]>> {
    const owners = await ownersOf(events.filter(isAboutEndpoint), read);
    const routes = new Map<string, EventHeader[]>();
    for (const event of events) {
      for (const entries of this.candidates(event, owners)) {
        for (const entry of entries) if (wants(entry, event)) put(routes, entry.id, event);
      }
    }
    return routes;
  }

  private candidates(event: EventHeader, owners: ReadonlyMap<string, string>): Entry[][] {
    if (!isAboutEndpoint(event)) {
      return [this.everywhere, this.byPractice.get(event.practiceId ?? '') ?? []];
    }
    const others = this.byOwner.get(owners.get(event.id) ?? '') ?? [];
    // An endpoint that fails would be told so by one delivery more that fails.
    return [others.filter(({ id }) => event.subject !== `endpoints/${id}`)];
  }
}

/** For the owner's other endpoints alone, whatever practices they name. */
function isAboutEndpoint({ practiceId, subject }: EventHeader): boolean {
  return practiceId === null && subject.startsWith('endpoints/');
}

/** The owners of endpoints that events are about, by the event's id. The source names them; a header does not have it. */
async function ownersOf(
  events: readonly EventHeader[],
  read: ReadEvents,
): Promise<Map<string, string>> {
  if (events.length === 0) return new Map();
  const whole = await read(events.map(({ id }) => id));
  return new Map(whole.map(({ id, source }) => [id, source.slice(1)]));
}

function wants({ matches, from, excludeOwn, owner }: Entry, event: EventHeader): boolean {
  if (excludeOwn && event.actor === owner) return false;
  return matches(event.type) && comparePositions(event.position, from) >= 0;
}

function put<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (list) list.push(item);
  else lists.set(key, [item]);
}
