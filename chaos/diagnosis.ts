import { isClean, type StreamVerdict } from './evaluate.js';
import type { Stage } from './stage.js';

const mostShown = 5;

const overviewSql = `
  select status, count(*)::int, min(sequence)::int as first, max(sequence)::int as last
  from deliveries where endpoint_id = $1 group by status order by status`;

/** Where an event stands for an endpoint: what fan-out made of it and how often it was tried. */
const deliverySql = `
  select d.id as delivery, d.sequence::int, d.status, d.attempts, d.next_attempt_at, d.last_attempt_at,
         d.last_outcome, d.last_status_code, d.withheld_reason
  from deliveries as d where d.endpoint_id = $1 and d.event_id = $2`;

const besidesSql: Record<string, string> = {
  health: `select to_jsonb(t) - 'endpoint_id' as row from endpoint_health as t where endpoint_id = $1`,
  progress: `select to_jsonb(t) - 'endpoint_id' as row from endpoint_progress as t where endpoint_id = $1`,
  counter: `select to_jsonb(t) - 'endpoint_id' as row from endpoint_counters as t where endpoint_id = $1`,
  shard: `select to_jsonb(s) as row from delivery_shards as s join endpoints as e using (shard) where e.id = $1`,
  retries: `select to_jsonb(t) - 'endpoint_id' as row from delivery_retries as t where endpoint_id = $1 order by sequence limit ${mostShown}`,
  followers: `select to_jsonb(t) - 'endpoint_id' as row from delivery_followers as t where endpoint_id = $1 order by sequence limit ${mostShown}`,
};

const busSql: Record<string, string> = {
  'now in the database': `select clock_timestamp() as now, pg_snapshot_xmin(pg_current_snapshot())::text as horizon`,
  cursors: `select consumer_group, bus, partition, generation, xact_id::text, seq::int, moved_at from consumer_cursors order by 1, 2, 3`,
  relay: `select to_jsonb(t) as row from relay_state as t`,
  parked: `select to_jsonb(t) as row from parked_events as t limit ${mostShown}`,
  deliverers: `select * from deliverers`,
  'oldest transactions': `select pid, state, wait_event, xact_start, left(query, 80) as query from pg_stat_activity where xact_start is not null and pid <> pg_backend_pid() order by xact_start limit ${mostShown}`,
};

/** What the database knows about whatever is wrong: ids, states and cursors, never what an event says. */
export async function diagnose(
  stage: Stage,
  verdicts: readonly StreamVerdict[],
): Promise<string[]> {
  const lines: string[] = [];
  const ask = async (what: string, sql: string, values: unknown[] = []) => {
    const rows = await stage.query(sql, values).catch((error: Error) => [{ error: error.message }]);
    lines.push(`  ${what}: ${rows.length === 0 ? 'none' : ''}`);
    for (const row of rows) lines.push(`    ${JSON.stringify('row' in row ? row.row : row)}`);
  };
  for (const verdict of verdicts) {
    if (isClean(verdict)) continue;
    const { id, name } = verdict.stream;
    lines.push(`endpoint "${name}" (${id})`);
    await ask('deliveries', overviewSql, [id]);
    for (const [what, sql] of Object.entries(besidesSql)) await ask(what, sql, [id]);
    for (const { id: eventId, type, position } of verdict.lost.slice(0, mostShown)) {
      await ask(`lost ${type} ${eventId} at ${position}`, deliverySql, [id, eventId]);
    }
  }
  lines.push('the bus');
  for (const [what, sql] of Object.entries(busSql)) await ask(what, sql);
  return lines;
}
