import { Injectable } from '@nestjs/common';
import { EnginePool } from '../../database/engine-pool.js';
import type { Querying } from '../../database/querying.js';
import { Reach, type Hearable, type ReachJson } from './reach.js';
import { hearablesSql } from './sql/hearables.js';
import { reachSql, versionsSql } from './sql/reach.js';

/** Whose endpoints, made with which mode of key: all of these may hear of the same. */
export interface OwnerKey {
  owner: string;
  sandbox: boolean | null;
}

/** What may be heard of at one moment, and the versions of `endpoint_set_version` under which that holds. */
export interface Access {
  version: string;
  /** Rises when somebody is restricted. */
  restrictions: string;
  /** The hub's monotonic clock after which it may be otherwise, because a grant begins or ends. */
  until: number;
  of(key: OwnerKey): Reach;
}

interface Versions {
  version: string;
  restrictions: string;
}

interface ReachRow extends Versions {
  reach: string | null;
  changes_in_ms: number | null;
}

interface Known {
  text: string | null;
  reach: Reach;
  until: number;
}

/** What owners' endpoints may hear of, kept for as long as nobody changes it. */
@Injectable()
export class Reaches {
  private versions?: Versions;
  private known = new Map<string, Known>();
  /** Of a former version: what has not changed is parsed once. */
  private former = new Map<string, Known>();

  constructor(private readonly pool: EnginePool) {}

  /** As it is now, from the cache where nothing has changed. @param client in no snapshot of its own */
  async read(keys: readonly OwnerKey[], client: Querying = this.pool): Promise<Access> {
    const began = performance.now();
    const wanted = new Map(keys.map((key) => [nameOf(key), key]));
    const { rows } = await client.query<Versions>({ name: 'access-versions', text: versionsSql });
    this.follow(rows[0]!);
    for (;;) {
      const missing = [...wanted].filter(([name]) => !((this.known.get(name)?.until ?? 0) > began));
      if (missing.length === 0) return accessOf(this.versions!, wanted.keys(), this.known);
      const asked = performance.now();
      const answer = await ask(
        client,
        missing.map(([, key]) => key),
      );
      // Others may have changed between the two statements: then what was known is read as well.
      this.follow(answer[0]!);
      answer.forEach((row, i) => {
        const name = missing[i]![0];
        this.known.set(name, knownFrom(row, asked, this.former.get(name)));
      });
    }
  }

  private follow({ version, restrictions }: Versions): void {
    if (version === this.versions?.version) return;
    this.versions = { version, restrictions };
    this.former = this.known;
    this.known = new Map();
  }
}

/** The same, as this client's transaction sees it. */
export async function readAccess(client: Querying, keys: readonly OwnerKey[]): Promise<Access> {
  const asked = performance.now();
  const rows = await ask(client, keys);
  const known = new Map(rows.map((row, i) => [nameOf(keys[i]!), knownFrom(row, asked)]));
  return accessOf(rows[0]!, known.keys(), known);
}

async function ask(client: Querying, keys: readonly OwnerKey[]): Promise<ReachRow[]> {
  const { rows } = await client.query<ReachRow>({
    name: 'reach',
    text: reachSql,
    values: [keys.map(({ owner }) => owner), keys.map(({ sandbox }) => sandbox)],
  });
  return rows;
}

function knownFrom({ reach: text, changes_in_ms }: ReachRow, asked: number, former?: Known): Known {
  const json = (): ReachJson => (text === null ? null : (JSON.parse(text) as ReachJson));
  return {
    text,
    reach: former?.text === text ? former.reach : Reach.from(json()),
    // Later than now in any case: a moment a microsecond ahead would be asked for in a loop.
    until: asked + Math.max(1, changes_in_ms ?? Infinity),
  };
}

function accessOf(
  { version, restrictions }: Versions,
  names: Iterable<string>,
  known: ReadonlyMap<string, Known>,
): Access {
  const found = new Map([...names].map((name) => [name, known.get(name)!]));
  let until = Infinity;
  for (const each of found.values()) until = Math.min(until, each.until);
  return { version, restrictions, until, of: (key) => found.get(nameOf(key))!.reach };
}

function nameOf({ owner, sandbox }: OwnerKey): string {
  return `${owner} ${sandbox}`;
}

/** Of some events those that may be heard of within this reach; ids. None that the log holds no more. */
export async function heardAmong(
  client: Querying,
  reach: Reach,
  eventIds: readonly string[],
): Promise<ReadonlySet<string>> {
  if (!reach.isLimited || eventIds.length === 0) return new Set(eventIds);
  const { rows } = await client.query<Hearable & { id: string; restricted: boolean }>({
    name: 'hearables',
    text: hearablesSql,
    values: [eventIds],
  });
  const heard = rows.filter(
    (event) => reach.covers(event) && !(reach.isGranted && event.restricted),
  );
  return new Set(heard.map(({ id }) => id));
}
