import { EnginePool } from '../../database/engine-pool.js';
import type { PayloadMode } from '../../events/catalog/fields.js';
import { Logger } from '../../platform/logger.js';
import { Settings } from '../../platform/settings.js';
import type { DataKeys } from '../../sealing/data-keys.js';
import { MasterKeyMissing } from '../../sealing/master-keys.js';
import { openSecrets } from '../endpoints/endpoint-target.js';
import { Reach } from '../reach/reach.js';
import type { Access, Reaches } from '../reach/reaches.js';
import { RETRY_SCHEDULES, type RetryScheduleName } from '../retry/retry-schedule.js';
import { parseSigningKey } from '../signing/signing-key.js';
import type { Ordering, Target, TargetAccess } from './delivery.js';
import type { Lane } from './lane.js';
import { endpointSetVersionSql, targetsSql } from './sql/due.js';
import { markSql } from './sql/record.js';
import { WebhookClient } from './webhook-client.js';

/** How many webhooks an endpoint gets at once that names no limit of its own. */
const defaultConcurrency = 100;

interface TargetRow {
  id: string;
  shard: number;
  sealed_target: Buffer;
  payload_mode: PayloadMode;
  content_type: string;
  timeout_seconds: number | null;
  max_concurrency: number | null;
  rate_per_second: number | null;
  owner: string;
  sandbox: boolean | null;
  set_version: string;
  ordering: Ordering;
  retry_schedule: string;
  attempted_through: string;
  enabled_at: string | null;
  failing: boolean;
  probes_failed: number;
  open_for_ms: number | null;
  probe_asked_at: string | null;
  throttled_for_ms: number | null;
  secrets: Buffer[];
  changes_in_ms: number | null;
  has_followers: boolean;
}

/** The endpoints as the engine needs them, and how far it has come with each. */
export class Targets {
  /** Ids of endpoints whose address or secrets wait for a master key. */
  private readonly locked = new Set<string>();

  constructor(
    private readonly pool: EnginePool,
    private readonly reaches: Reaches,
    private readonly client: WebhookClient,
    private readonly settings: Settings,
    private readonly logger: Logger,
    private readonly keys: DataKeys,
  ) {}

  /** Enabled endpoints of these shards that have anything open, and those named. */
  async read(shards: readonly number[], endpointIds: readonly string[]): Promise<Target[]> {
    const { rows } = await this.pool.query<TargetRow>({
      name: 'targets',
      text: targetsSql,
      values: [shards, endpointIds],
    });
    // So that a failure to read keys is one of the whole read, and not of each endpoint.
    await this.keys.have(
      rows.flatMap((row) => [row.sealed_target, ...row.secrets]).map((sealed) => ({ sealed })),
    );
    const limited = rows.filter(({ owner }) => owner !== 'operator');
    // After the rows: their version is then the older one, and nothing passes for newer than it is.
    const access = limited.length > 0 ? await this.reaches.read(limited) : undefined;
    const targets = rows.map(async (row) => {
      try {
        const target = await this.fromRow(row, access);
        this.locked.delete(row.id);
        return [target];
      } catch (error) {
        if (error instanceof MasterKeyMissing) {
          this.locked.add(row.id);
          return [];
        }
        // One that cannot be called must not keep all others from it.
        this.logger.error({ err: error, endpointId: row.id }, 'an endpoint cannot be read');
        return [];
      }
    });
    return (await Promise.all(targets)).flat();
  }

  /** Whether an endpoint was left out for want of a master key, when it was read last. */
  isLocked(endpointId: string): boolean {
    return this.locked.has(endpointId);
  }

  /** Changes whenever any endpoint does. */
  async version(): Promise<string> {
    const { rows } = await this.pool.query<{ version: string }>(endpointSetVersionSql);
    return rows[0]!.version;
  }

  /** Keeps how far lanes have come, as far as this owner still has their shards. */
  async mark(owner: string, marks: readonly { lane: Lane; through: number }[]): Promise<void> {
    const epochs = new Map(marks.map(({ lane }) => [lane.target.shard, lane.epoch]));
    await this.pool.query({
      name: 'mark',
      text: markSql,
      values: [
        owner,
        [...epochs.keys()],
        [...epochs.values()],
        marks.map(({ lane }) => lane.target.id),
        marks.map(({ lane }) => lane.target.shard),
        marks.map(({ through }) => String(through)),
      ],
    });
  }

  private async fromRow(row: TargetRow, access: Access | undefined): Promise<Target> {
    const { url, headers, secrets } = await openSecrets(
      this.keys,
      row.id,
      row.sealed_target,
      row.secrets,
    );
    const schedule = RETRY_SCHEDULES[row.retry_schedule as RetryScheduleName];
    return {
      id: row.id,
      shard: row.shard,
      address: this.client.prepare(url),
      payloadMode: row.payload_mode,
      contentType: row.content_type,
      headers: headers ?? {},
      keys: secrets.map(parseSigningKey),
      ...(row.changes_in_ms !== null && { keysChangeInMs: row.changes_in_ms }),
      timeoutMs: (row.timeout_seconds ?? this.settings.webhookTimeoutSeconds) * 1000,
      mostInFlight: row.max_concurrency ?? defaultConcurrency,
      ratePerSecond: row.rate_per_second,
      owner: row.owner,
      access: accessOf(row, access),
      ordering: row.ordering,
      schedule: schedule ?? RETRY_SCHEDULES.default,
      attemptedThrough: Number(row.attempted_through),
      enabledAt: row.enabled_at,
      hasFollowers: row.has_followers,
      failing: row.failing,
      circuit: {
        probesFailed: row.probes_failed,
        ...(row.open_for_ms !== null && { openForMs: Math.max(0, row.open_for_ms) }),
      },
      probeAskedAt: row.probe_asked_at,
      throttledForMs: Math.max(0, row.throttled_for_ms ?? 0),
    };
  }
}

/** The operator's endpoints hear of everything, and nothing of it is looked up. */
function accessOf(row: TargetRow, access: Access | undefined): TargetAccess {
  const { owner, set_version: version } = row;
  if (!access || owner === 'operator') return unlimited;
  const { restrictions, until } = access;
  return { reach: access.of(row), version, restrictions, until };
}

export const unlimited: TargetAccess = {
  reach: Reach.everything,
  version: '',
  restrictions: '',
  until: Infinity,
};
