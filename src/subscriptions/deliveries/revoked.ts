import { EnginePool } from '../../database/engine-pool.js';
import { heardAmong } from '../reach/reaches.js';
import type { Lane } from './lane.js';
import { waitingFollowersSql, waitingRetriesSql } from './sql/due.js';
import { withholdSql } from './sql/record.js';

const pageSize = 1000;
const nobody = '00000000-0000-0000-0000-000000000000';

interface WaitingRow {
  id: string;
  event_id: string;
  after: string;
  nth?: string;
}

/**
 * Withholds what waits in the tables, for another attempt or for an earlier one of its key, and may not be sent any
 * more. It would be withheld when its turn comes, which may be in a day; whoever revoked something wants to see it now.
 */
export class Revoked {
  constructor(private readonly pool: EnginePool) {}

  /** For a lane that has lost something and has forgotten its window. @returns how many */
  async withhold(lane: Lane): Promise<number> {
    return (
      (await this.sweep(lane, waitingRetriesSql, ['-infinity', nobody])) +
      (await this.sweep(lane, waitingFollowersSql, ['', '0']))
    );
  }

  private async sweep(lane: Lane, sql: string, start: [string, string]): Promise<number> {
    let count = 0;
    for (let after = start; ;) {
      const { rows } = await this.pool.query<WaitingRow>(sql, [lane.target.id, ...after, pageSize]);
      const { reach } = lane.target.access;
      const ids = rows.map((row) => row.event_id);
      const heard = await heardAmong(this.pool, reach, ids);
      // What is on its way is recorded as what became of it.
      const barred = rows.filter((row) => !heard.has(row.event_id) && !lane.holds(row.id));
      if (barred.length > 0) {
        const revoked = barred.map(({ id }) => id);
        await this.pool.query(withholdSql, [revoked, 'revoked']);
        count += barred.length;
      }
      const last = rows.at(-1);
      if (!last || rows.length < pageSize) return count;
      after = [last.after, last.nth ?? last.id];
    }
  }
}
