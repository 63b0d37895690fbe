import { EnginePool } from '../../database/engine-pool.js';
import type { StoredEvent } from '../../events/catalog/envelope.js';
import { eventFromRow } from '../../events/log/event-log.js';
import { parseSecret } from '../signing/standard-webhooks.js';
import type { Target } from './delivery.js';
import type { Lane } from './lane.js';
import { endpointSetVersionSql, eventsSql, pendingSql, retriesSql, targetsSql } from './sql/due.js';
import { withholdSql } from './sql/record.js';

interface DueRow {
  endpoint_id: string;
  id: string;
  sequence: string;
  event_id: string;
  attempts: number;
  due_in_ms?: number;
}

interface Due {
  lane: Lane;
  row: DueRow;
}

/** A timer counts from when it is set, a little after the database looked at its clock. */
const slackMs = 2;

/** Fills lanes from the table: one read for all that want pending deliveries, one for retries, one for events. */
export class DueReader {
  constructor(private readonly pool: EnginePool) {}

  /** Enabled endpoints of these shards that have anything open, and those named. */
  async targets(shards: readonly number[], endpointIds: readonly string[]): Promise<Target[]> {
    const { rows } = await this.pool.query({
      name: 'targets',
      text: targetsSql,
      values: [shards, endpointIds],
    });
    return rows.map((row) => ({
      id: row.id,
      shard: row.shard,
      url: row.url,
      payloadMode: row.payload_mode,
      secret: parseSecret(row.secret),
    }));
  }

  /** Changes whenever any endpoint does. */
  async endpointSetVersion(): Promise<string> {
    const { rows } = await this.pool.query<{ version: string }>(endpointSetVersionSql);
    return rows[0]!.version;
  }

  /** Fills the lanes up to `window` deliveries each, first attempts before retries. */
  async fill(lanes: readonly Lane[], window: number): Promise<void> {
    const before = lanes.map((lane) => ({ lane, readThrough: lane.readThrough }));
    try {
      await this.readInto(lanes, window);
    } catch (error) {
      // Rows that were read and are in no window yet would lie behind their lane for good.
      for (const { lane, readThrough } of before) {
        lane.readThrough = readThrough;
        lane.look(performance.now());
      }
      throw error;
    }
  }

  private async readInto(lanes: readonly Lane[], window: number): Promise<void> {
    const now = performance.now();
    const due = [
      ...(await this.pending(
        lanes.filter((lane) => lane.wantsPending(window)),
        window,
      )),
      ...(await this.retries(
        lanes.filter((lane) => lane.wantsRetries(window, now)),
        window,
        now,
      )),
    ];
    if (due.length === 0) return;
    const events = await this.events(due);
    const expired: string[] = [];
    for (const { lane, row } of due) {
      const event = events.get(row.event_id);
      if (event) lane.add({ id: row.id, sequence: row.sequence, attempts: row.attempts, event });
      else expired.push(row.id);
    }
    if (expired.length > 0) await this.pool.query(withholdSql, [expired]);
  }

  private async pending(lanes: readonly Lane[], window: number): Promise<Due[]> {
    if (lanes.length === 0) return [];
    const sizes = lanes.map((lane) => window - lane.queued);
    const opened = lanes.map((lane) => lane.opened());
    // Reset before the read: a signal during it may be about rows that it does not see.
    for (const lane of lanes) lane.mayHavePending = false;
    const rows = await this.read('due-pending', pendingSql, [
      lanes.map(({ target }) => target.id),
      lanes.map(({ readThrough }) => readThrough),
      sizes,
    ]);
    return lanes.flatMap((lane, i) => {
      const own = rows.get(lane.target.id) ?? [];
      lane.readThrough = own.at(-1)?.sequence ?? lane.readThrough;
      if (own.length === sizes[i]) lane.mayHavePending = true;
      return own.filter(({ id }) => !opened[i]!.has(id)).map((row) => ({ lane, row }));
    });
  }

  private async retries(lanes: readonly Lane[], window: number, now: number): Promise<Due[]> {
    if (lanes.length === 0) return [];
    const opened = lanes.map((lane) => lane.opened());
    // Those in the window or under way still stand first in the table, and must not fill the page.
    const sizes = opened.map(({ size }) => Math.ceil(window / 2) + size);
    for (const lane of lanes) lane.retryDueAt = Infinity;
    const rows = await this.read('due-retries', retriesSql, [
      lanes.map(({ target }) => target.id),
      sizes,
    ]);
    return lanes.flatMap((lane, i) => {
      const page = rows.get(lane.target.id) ?? [];
      const fresh = page.filter(({ id }) => !opened[i]!.has(id));
      const later = fresh.find(({ due_in_ms }) => due_in_ms! > 0);
      if (later) lane.retryIn(later.due_in_ms! + slackMs, performance.now());
      else if (page.length >= sizes[i]!) lane.retryIn(0, now);
      return fresh.filter(({ due_in_ms }) => due_in_ms! <= 0).map((row) => ({ lane, row }));
    });
  }

  private async read(
    name: string,
    text: string,
    values: unknown[],
  ): Promise<Map<string, DueRow[]>> {
    const { rows } = await this.pool.query<DueRow>({ name, text, values });
    const byEndpoint = new Map<string, DueRow[]>();
    for (const row of rows) {
      const own = byEndpoint.get(row.endpoint_id);
      if (own) own.push(row);
      else byEndpoint.set(row.endpoint_id, [row]);
    }
    return byEndpoint;
  }

  // Many endpoints want the same event: it is read once, and what is rendered of it is shared.
  private async events(due: readonly Due[]): Promise<Map<string, StoredEvent>> {
    const ids = [...new Set(due.map(({ row }) => row.event_id))];
    const { rows } = await this.pool.query({ name: 'due-events', text: eventsSql, values: [ids] });
    return new Map(rows.map((row) => [row.id, eventFromRow(row)]));
  }
}
