import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { EnginePool } from '../../database/engine-pool.js';
import { Signals } from '../../database/signals.js';
import { Logger } from '../logger.js';
import type { PayloadMode } from '../../events/catalog/fields.js';
import type { Scope } from './api-key.js';
import type { Caller } from './caller.js';
import { Granted, type ReadMode } from './granted.js';

/** How long a key is believed without a look; a change is signalled, and this bounds what a lost signal costs. */
const believedMs = 2000;
const mostBelieved = 10_000;
/** Keys that are remembered to have opened something, whether or not they still do. */
const mostKnown = 10_000;
/** The last use is written so often. */
const usedMs = 30_000;

/**
 * The key, if it is valid now, and what it reaches: the practices of its application, or what its partner is granted,
 * of its own mode. One row for a valid key; `ends_in_ms`: how long the clock changes nothing of this.
 */
const callerSql = `
  select k.id, k.owner, k.mode, k.scopes, granted.grants,
         (extract(epoch from least(k.expires_at, granted.changes_at) - clock_timestamp()) * 1000)::float8 as ends_in_ms,
         array(
           select ap.practice_id::text
           from application_practices as ap join practices as p on p.id = ap.practice_id
           where ap.application_id = case when k.owner ~ '^applications/[0-9a-f-]{36}$' then substr(k.owner, 14)::uuid end
             and p.sandbox = (k.mode = 'test')) as practices
  from api_keys as k
  cross join lateral (
    select json_agg(json_build_array(g.practice_id, g.event_types, g.payload_mode, g.read_mode))
             filter (where g.starts_at <= statement_timestamp()) as grants,
           min(case when g.starts_at > statement_timestamp() then g.starts_at else g.expires_at end) as changes_at
    from grants as g join practices as p on p.id = g.practice_id
    where g.partner_id = case when k.owner ~ '^partners/[0-9a-f-]{36}$' then substr(k.owner, 10)::uuid end
      and g.revoked_at is null and coalesce(g.expires_at, 'infinity') > statement_timestamp()
      and p.sandbox = (k.mode = 'test')
  ) as granted
  where k.key_hash = $1 and k.revoked_at is null and (k.expires_at is null or k.expires_at > clock_timestamp())`;

const usedSql = `
  update api_keys as k set last_used_at = greatest(last_used_at, used.at)
  from unnest($1::uuid[], $2::timestamptz[]) as used (id, at) where k.id = used.id`;

interface CallerRow {
  id: string;
  owner: string;
  mode: 'live' | 'test';
  scopes: Scope[];
  ends_in_ms: number | null;
  practices: string[];
  grants: GrantRow[] | null;
}

type GrantRow = [practiceId: string, eventTypes: string[], payload: PayloadMode, read: ReadMode];

/**
 * The keys that open the API besides the operator's. Read over the engine's connections and in full view: the scope of a
 * request follows from what is found here, so there is none yet to find it in (ADR 10).
 */
@Injectable()
export class KeyRing implements OnModuleDestroy {
  /** Also what opens nothing, without a caller, so that the same guess costs one look. */
  private readonly believed = new Map<string, { caller?: Caller; until: number }>();
  private readonly known = new Set<string>();
  private readonly looks = new Map<string, Promise<Caller | undefined>>();
  private readonly used = new Map<string, Date>();
  /** Rises with every change: what was read before it is not kept. */
  private changes = 0;
  private readonly silence: () => void;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly pool: EnginePool,
    private readonly logger: Logger,
    signals: Signals,
  ) {
    this.silence = signals.on('access', () => {
      this.changes += 1;
      this.believed.clear();
      // What was read before the change is for those who asked before it.
      this.looks.clear();
    });
    this.timer = setInterval(() => void this.keepUses(), usedMs);
    this.timer.unref();
  }

  async onModuleDestroy(): Promise<void> {
    this.silence();
    clearInterval(this.timer);
    await this.keepUses();
  }

  /** Who calls with the key of this digest; undefined where it opens nothing. */
  async callerOf(digest: Buffer, name = digest.toString('base64')): Promise<Caller | undefined> {
    const kept = this.believed.get(name);
    const caller =
      kept && kept.until > performance.now() ? kept.caller : await this.look(digest, name);
    if (caller?.keyId) this.used.set(caller.keyId, new Date());
    return caller;
  }

  /** Whether the key opened something before, so that a look at it is no guess. */
  knows(name: string): boolean {
    return this.known.has(name);
  }

  /** Requests with one key that come together share a look, so that none is one more connection. */
  private look(digest: Buffer, name: string): Promise<Caller | undefined> {
    const running = this.looks.get(name);
    if (running) return running;
    const look = this.read(digest, name).finally(() => {
      if (this.looks.get(name) === look) this.looks.delete(name);
    });
    this.looks.set(name, look);
    return look;
  }

  private async read(digest: Buffer, name: string): Promise<Caller | undefined> {
    this.believed.delete(name);
    const [asked, changes] = [performance.now(), this.changes];
    const { rows } = await this.pool.query<CallerRow>({
      name: 'caller',
      text: callerSql,
      values: [digest],
    });
    const [row] = rows;
    const caller = row && callerFrom(row);
    if (caller) this.remember(name);
    if (this.believed.size >= mostBelieved) this.believed.clear();
    const until = asked + Math.min(believedMs, row?.ends_in_ms ?? Infinity);
    if (changes === this.changes) this.believed.set(name, { caller, until });
    return caller;
  }

  private remember(name: string): void {
    if (this.known.size >= mostKnown) this.known.clear();
    this.known.add(name);
  }

  // Not with each call: a row that every call writes would be the slowest of them all.
  private async keepUses(): Promise<void> {
    if (this.used.size === 0) return;
    const uses = [...this.used];
    this.used.clear();
    const values = [uses.map(([id]) => id), uses.map(([, at]) => at)];
    await this.pool
      .query(usedSql, values)
      .catch((error: unknown) =>
        this.logger.warn({ err: error }, 'last uses of keys were not kept'),
      );
  }
}

function callerFrom({ id, owner, mode, scopes, practices, grants }: CallerRow): Caller {
  const common = { actor: owner, sandbox: mode === 'test', scopes, keyId: id };
  if (!owner.startsWith('partners/')) {
    return { ...common, kind: 'application', practices: new Set(practices) };
  }
  const granted = grantsFrom(grants ?? []);
  return { ...common, kind: 'partner', practices: new Set(granted.keys()), grants: granted };
}

function grantsFrom(rows: readonly GrantRow[]): Map<string, Granted[]> {
  const byPractice = new Map<string, Granted[]>();
  for (const [practiceId, ...terms] of rows) {
    const grant = new Granted(...terms);
    const others = byPractice.get(practiceId);
    if (others) others.push(grant);
    else byPractice.set(practiceId, [grant]);
  }
  return byPractice;
}
