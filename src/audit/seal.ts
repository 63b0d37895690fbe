import type pg from 'pg';
import { canonicalTextOf, type HashedRow } from './audit-entry.js';
import { blockHash, chainBeginning, type Block } from './block.js';
import { hashList, merkleRoot, putLeaf } from './merkle.rules.js';
import {
  insertBlockSql,
  lastBlockSql,
  lockWriterSql,
  readHashedSql,
  reopenSql,
  takeUnsealedSql,
} from './sql/seal.js';

/** Entries in one block: hashing more at a time would hold up what else the process does for more than a few ms. */
const mostInBlock = 500;
/** The ids of deliveries that they name together, but for the last one's; a batch has up to a thousand, of 39 bytes. */
const mostDeliveryIds = 20_000;

/** The newest link of a chain: with it nothing before it can be changed unseen. */
export interface Head {
  writer: string;
  number: number;
  hash: Buffer;
  sealedAt: Date;
}

interface TakenRow {
  id: string;
  waiting: number;
}

/**
 * Puts what a writer's chain does not hold yet into its next block, in the caller's transaction.
 * @param adoptedBy the writer that does so in place of one that has died
 * @returns the new head, and whether more may wait than went into the block; undefined where there was nothing to seal
 */
export async function sealNext(
  client: pg.ClientBase,
  writer: string,
  adoptedBy: string | null = null,
): Promise<{ head: Head; isMore: boolean } | undefined> {
  const now = await lockChain(client, writer, adoptedBy);
  const limits = [writer, mostInBlock, mostDeliveryIds];
  const { rows: taken } = await client.query<TakenRow>(takeUnsealedSql, limits);
  if (taken.length === 0) return undefined;
  const isMore = taken.length === mostInBlock || taken.length < taken[0]!.waiting;
  const ids = taken.map(({ id }) => id).sort();
  const digests = await digestsOf(client, ids);
  const { rows } = await client.query<{ number: string; hash: Buffer; sealed_at: Date }>(
    lastBlockSql,
    [writer],
  );
  const last = rows[0];
  const block: Block = {
    writer,
    number: last ? Number(last.number) + 1 : 1,
    // Rising along a chain, also where the clock was put back.
    sealedAt: last && last.sealed_at > now ? last.sealed_at : now,
    previous: last?.hash ?? chainBeginning(writer),
    root: merkleRoot(digests),
    ids,
    digests,
    adoptedBy,
  };
  const hash = blockHash(block);
  const { number, sealedAt, previous, root } = block;
  const values = [writer, number, sealedAt, previous, root, ids, digests, adoptedBy, hash];
  await client.query(insertBlockSql, values);
  return { head: { writer, number, hash, sealedAt }, isMore };
}

async function lockChain(
  client: pg.ClientBase,
  writer: string,
  adoptedBy: string | null,
): Promise<Date> {
  if (adoptedBy !== null) await client.query(reopenSql, [writer]);
  const { rows } = await client.query<{ now: Date }>(lockWriterSql, [writer]);
  if (!rows[0]) throw new Error(`The audit trail knows no writer ${writer}`);
  return rows[0].now;
}

/** An entry that is gone already keeps its place, with zeros for its hash: it is missed by whoever verifies. */
async function digestsOf(client: pg.ClientBase, ids: readonly string[]): Promise<Buffer> {
  const places = new Map(ids.map((id, place) => [id, place]));
  const { rows } = await client.query<HashedRow>(readHashedSql, [ids, ids[0], ids.at(-1)]);
  const digests = hashList(ids.length);
  for (const row of rows) putLeaf(digests, places.get(row.id)!, canonicalTextOf(row));
  return digests;
}
