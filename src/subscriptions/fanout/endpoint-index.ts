import { isOwnersSubject } from '../../events/catalog/catalog.js';
import { projectEvent, type StoredEvent } from '../../events/catalog/envelope.js';
import type { PayloadMode } from '../../events/catalog/fields.js';
import { matcherOf } from '../../events/catalog/type-patterns.js';
import type { EventHeader } from '../../events/log/event-log.js';
import { comparePositions, type Position } from '../../events/position.js';
import { compile, type Filter } from '../filter/filter.js';
import type { Reach } from '../reach/reach.js';

/** What fan-out needs to know of an endpoint. */
export interface Listener {
  id: string;
  /** As events spell their actor: `operator`, `applications/{id}`. */
  owner: string;
  /** What its owner's endpoints may hear of. */
  reach: Reach;
  /** Whether it was made with a test key; null: by the operator. */
  sandbox: boolean | null;
  eventTypes: string[];
  /** Null: every practice its owner may see. */
  practiceIds: string[] | null;
  /** Nothing that its owner caused. */
  excludeOwn: boolean;
  /** On the data as the payload mode shows it; null lets all pass. */
  filter: Filter | null;
  payloadMode: PayloadMode;
  /** Events settled before the endpoint was made are not for it. */
  from: Position;
}

/** The columns of an endpoint that make it a listener. */
export interface ListenerRow {
  id: string;
  owner: string;
  /** With which mode of key it was made; null: the operator's. */
  sandbox: boolean | null;
  event_types: string[];
  practice_ids: string[] | null;
  exclude_own: boolean;
  filter: Filter | null;
  payload_mode: PayloadMode;
}

export function listenerFromRow(row: ListenerRow, reach: Reach, from: Position): Listener {
  return {
    id: row.id,
    owner: row.owner,
    reach,
    sandbox: row.sandbox,
    eventTypes: row.event_types,
    practiceIds: row.practice_ids,
    excludeOwn: row.exclude_own,
    filter: row.filter,
    payloadMode: row.payload_mode,
    from,
  };
}

/** What routing asks the database for where headers do not say enough. */
export interface Lookups {
  /** Whole events; one that the log holds no more is not in the answer. */
  read(ids: readonly string[]): Promise<readonly StoredEvent[]>;
  /** The ids of those that partners must not hear of, because of whom they are about. */
  restricted(events: readonly EventHeader[]): Promise<ReadonlySet<string>>;
}

interface Entry extends Listener {
  matches(type: string): boolean;
  /** Undefined where there is no filter. */
  passes?(data: object): boolean;
}

/**
 * The enabled endpoints, arranged so that an event meets only those that could want it: with ten thousand endpoints
 * of one practice each, an event looks at a handful.
 */
export class EndpointIndex {
  private readonly everywhere: Entry[] = [];
  private readonly byPractice = new Map<string, Entry[]>();
  private readonly filtering: Entry[] = [];
  private readonly granted: Entry[] = [];
  private readonly byOwner = new Map<string, Entry[]>();

  constructor(listeners: readonly Listener[]) {
    for (const listener of listeners) {
      const { filter, eventTypes } = listener;
      const passes = filter ? compile(filter) : undefined;
      const entry: Entry = { ...listener, matches: matcherOf(eventTypes), passes };
      if (passes) this.filtering.push(entry);
      if (entry.reach.isGranted) this.granted.push(entry);
      put(this.byOwner, entry.owner, entry);
      const practices = practicesOf(entry);
      if (!practices) this.everywhere.push(entry);
      for (const practiceId of practices ?? []) put(this.byPractice, practiceId, entry);
    }
  }

  /**
   * For each endpoint that wants any of them and may hear of them, its events in the order given. Most events are
   * routed by their headers; only those whose content decides are read.
   */
  async route(
    events: readonly EventHeader[],
    lookups: Lookups,
  ): Promise<Map<string, EventHeader[]>> {
    const owners = await ownersOf(events.filter(isOwners), lookups);
    const routes = new Map<string, EventHeader[]>();
    for (const event of events) {
      for (const entries of this.candidates(event, owners)) {
        for (const entry of entries) if (wants(entry, event)) put(routes, entry.id, event);
      }
    }
    await this.leaveOutRestricted(routes, lookups);
    await this.applyFilters(routes, lookups);
    return routes;
  }

  /** Before the filters: what an event says of somebody who is restricted is not even looked at. */
  private async leaveOutRestricted(
    routes: Map<string, EventHeader[]>,
    { restricted }: Lookups,
  ): Promise<void> {
    const asked = this.granted.filter(({ id }) => routes.has(id));
    if (asked.length === 0) return;
    const events = new Set(asked.flatMap(({ id }) => routes.get(id)!));
    const barred = await restricted([...events]);
    if (barred.size === 0) return;
    for (const { id } of asked) keepOnly(routes, id, (event) => !barred.has(event.id));
  }

  /** Each event that a filter asks about is read once, and projected once for each mode. */
  private async applyFilters(routes: Map<string, EventHeader[]>, { read }: Lookups): Promise<void> {
    const asked = this.filtering.filter(({ id }) => routes.has(id));
    if (asked.length === 0) return;
    const ids = new Set(asked.flatMap(({ id }) => routes.get(id)!.map((event) => event.id)));
    const shown = new ShownData(await read([...ids]));
    for (const { id, payloadMode, reach, passes } of asked) {
      keepOnly(routes, id, (event) => {
        const data = shown.of(event.id, reach.modeOf(event, payloadMode));
        return data !== undefined && passes!(data);
      });
    }
  }

  private candidates(event: EventHeader, owners: ReadonlyMap<string, Owner>): Entry[][] {
    if (!isOwners(event)) {
      return [this.everywhere, this.byPractice.get(event.practiceId ?? '') ?? []];
    }
    const { name = '', sandbox } = owners.get(event.id) ?? {};
    const own = (this.byOwner.get(name) ?? []).filter(
      (entry) => sandbox === undefined || entry.sandbox === null || entry.sandbox === sandbox,
    );
    // An endpoint that fails would be told so by one delivery more that fails.
    return [own.filter(({ id }) => event.subject !== `endpoints/${id}`)];
  }
}

/** Events as the payload modes show them. */
class ShownData {
  private readonly events: Map<string, StoredEvent>;
  private readonly shown = new Map<string, object>();

  constructor(events: readonly StoredEvent[]) {
    this.events = new Map(events.map((event) => [event.id, event]));
  }

  /** Undefined where the log holds the event, or its data, no more. */
  of(id: string, mode: PayloadMode): object | undefined {
    const event = this.events.get(id);
    if (!event || event.lost) return undefined;
    const key = `${mode} ${id}`;
    let data = this.shown.get(key);
    if (!data) this.shown.set(key, (data = projectEvent(event, mode)));
    return data;
  }
}

/** For the endpoints of one owner alone, whatever practices they name. */
function isOwners({ practiceId, subject }: EventHeader): boolean {
  return practiceId === null && isOwnersSubject(subject);
}

/** Whose an event is, and whether it is of their sandboxes or of their other practices, where it says so. */
interface Owner {
  name: string;
  sandbox?: boolean;
}

/** The owners of events, by the event's id. The source names them; a header does not have it. */
async function ownersOf(
  events: readonly EventHeader[],
  { read }: Lookups,
): Promise<Map<string, Owner>> {
  if (events.length === 0) return new Map();
  const whole = await read(events.map(({ id }) => id));
  return new Map(
    whole.map(({ id, source, data }) => [
      id,
      { name: source.slice(1), sandbox: (data as { sandbox?: boolean }).sandbox },
    ]),
  );
}

/** Those that an endpoint wants, as far as its owner reaches them; null: all. */
export function practicesOf({ practiceIds, reach }: Listener): string[] | null {
  const { practices } = reach;
  if (!practices) return practiceIds;
  return practiceIds ? practiceIds.filter((id) => practices.has(id)) : [...practices];
}

function wants({ matches, from, excludeOwn, owner, reach }: Entry, event: EventHeader): boolean {
  if (excludeOwn && event.actor === owner) return false;
  if (!matches(event.type) || comparePositions(event.position, from) < 0) return false;
  // The practice is one of its own already.
  return !reach.isGranted || reach.covers(event);
}

function keepOnly(
  routes: Map<string, EventHeader[]>,
  id: string,
  isWanted: (event: EventHeader) => boolean,
): void {
  const route = routes.get(id)!.filter(isWanted);
  if (route.length > 0) routes.set(id, route);
  else routes.delete(id);
}

function put<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (list) list.push(item);
  else lists.set(key, [item]);
}
