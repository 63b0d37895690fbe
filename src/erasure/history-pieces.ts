import type { EnginePool } from '../database/engine-pool.js';
import {
  openInStreamSql,
  openStreamsSql,
  responsesSql,
  waitingFollowersSql,
  waitingRetriesSql,
} from './sql/erase-history.js';

/** Rows looked at by one statement: readers of the log wait for the end of some, and none may run into its limit. */
export const pieceSize = 5000;
const streamsAtOnce = 500;
const nil = '00000000-0000-0000-0000-000000000000';

export type Looked = 'event' | 'delivery' | 'answer';
/** How many rows of a kind were looked at. */
export type Progress = (what: Looked, seen: number) => void;

/** The practice, the patient, and the accounts that go along. */
export type Subject = [practiceId: string, patientId: string, accountIds: string[]];

interface Piece<Last> {
  last: Last | null;
  seen: number;
  ids: string[];
}

/**
 * Deliveries about the patient that are still to be made, wherever they wait; pieces of them, some of which may name
 * one that another has named. In the order in which a delivery goes on from one place to the next, so that none that
 * moves meanwhile is passed by.
 */
export async function* openDeliveries(
  pool: EnginePool,
  subject: Subject,
  onProgress: Progress,
): AsyncGenerator<string[]> {
  let seen = 0;
  const told = ({ seen: more, ids }: Piece<string>) => {
    onProgress('delivery', (seen += more));
    return ids;
  };
  for await (const { id, through } of openStreams(pool)) {
    const values = [...subject, id];
    for await (const piece of pieces(pool, openInStreamSql, values, through)) yield told(piece);
  }
  for (const sql of [waitingFollowersSql, waitingRetriesSql]) {
    for await (const piece of pieces(pool, sql, subject, nil)) yield told(piece);
  }
}

async function* openStreams(pool: EnginePool): AsyncGenerator<{ id: string; through: string }> {
  for (let after = nil; ;) {
    const { rows } = await pool.query<{ id: string; through: string }>(openStreamsSql, [
      after,
      streamsAtOnce,
    ]);
    yield* rows;
    if (rows.length < streamsAtOnce) return;
    after = rows.at(-1)!.id;
  }
}

async function* pieces(
  pool: EnginePool,
  sql: string,
  values: readonly unknown[],
  start: string,
): AsyncGenerator<Piece<string>> {
  for (let after = start; ;) {
    const { rows } = await pool.query<Piece<string>>(sql, [...values, after, pieceSize]);
    const piece = rows[0]!;
    yield piece;
    if (piece.seen < pieceSize) return;
    after = piece.last!;
  }
}

/** What receivers answered to attempts to tell of the patient, by delivery and number of the attempt. */
export async function* responsesAbout(
  pool: EnginePool,
  subject: Subject,
  onProgress: Progress,
): AsyncGenerator<{ ids: string[]; numbers: number[] }> {
  let seen = 0;
  for (let after: [string, number] = [nil, 0]; ;) {
    const { rows } = await pool.query<Piece<[string, number]> & { numbers: number[] }>(
      responsesSql,
      [...subject, ...after, pieceSize],
    );
    const piece = rows[0]!;
    onProgress('answer', (seen += piece.seen));
    yield piece;
    if (piece.seen < pieceSize) return;
    after = piece.last!;
  }
}
