import type pg from 'pg';
import { idFloor, madeAt } from '../../database/time-ids.js';
import { canonicalText, entryFromRow, type AuditEntry, type EntryRow } from '../audit-entry.js';
import { blockFromRow, type Block, type BlockRow } from '../block.js';
import { hashAt, hashList, putLeaf } from '../merkle.rules.js';
import { readEntriesSql } from '../sql/seal.js';
import {
  blockAtSql,
  blocksSql,
  droppedSql,
  isInBlockSql,
  looseEntriesSql,
  nextEntrySql,
  unsealedSql,
} from '../sql/verify.js';
import { ChainWalk, type Dropped } from './chain-walk.js';
import { checkBatch } from './delivery-check.js';
import { broken, TrailBroken, type Fault } from './fault.js';
import { checkHeads } from './head-check.js';

/** Blocks read at a time; with those of the largest kind 5 MB. */
const blocksAtOnce = 200;
const windowMs = 3_600_000;
/** Nearly everything is sealed within seconds; what is sealed later is looked for one by one. */
const sealedWithinMs = 600_000;
const firstId = '00000000-0000-0000-0000-000000000000';

export interface VerifyOptions {
  from: Date;
  to: Date;
  headsFolder: string;
  trustedKeys: ReadonlySet<string>;
  /** Told about every page. */
  onProgress?: (checked: Checked) => void;
}

export interface Checked {
  blocks: number;
  entries: number;
  /** Attempts whose batch was proven from the tables that keep them. */
  attempts: number;
  writers: number;
  heads: number;
  /** Lines of the heads' files that hold none. */
  unreadableHeads: number;
  /** Entries that no block holds yet. */
  unsealed: number;
}

/**
 * Verifies the trail: every chain, every entry in it, what deliveries say against the tables that keep them, that no
 * entry is outside of a chain, and every signed head. In memory it holds one page, and one link of each chain.
 * @returns what was checked, and the first fault where there is one
 */
export async function verifyTrail(
  client: pg.ClientBase,
  options: VerifyOptions,
): Promise<{ checked: Checked; fault?: Fault }> {
  const checked: Checked = {
    blocks: 0,
    entries: 0,
    attempts: 0,
    writers: 0,
    heads: 0,
    unreadableHeads: 0,
    unsealed: 0,
  };
  try {
    const dropped = await droppedSoFar(client);
    await checkChains(client, options, dropped, checked);
    await checkForLoose(client, options, checked);
    const onProgress = (heads: number) => options.onProgress?.({ ...checked, heads });
    const { headsFolder: folder } = options;
    const found = await checkHeads(client, { ...options, folder, dropped, onProgress });
    checked.heads = found.heads;
    checked.unreadableHeads = found.unreadable;
    return { checked };
  } catch (error) {
    if (!(error instanceof TrailBroken)) throw error;
    return { checked, fault: error.fault };
  }
}

async function droppedSoFar(client: pg.ClientBase): Promise<Dropped | undefined> {
  const { rows } = await client.query<{
    detail: { before: string; anchors: Record<string, { number: number; hash: string }> };
  }>(droppedSql);
  if (!rows[0]) return undefined;
  const { before, anchors } = rows[0].detail;
  const links = Object.entries(anchors).map(
    ([writer, { number, hash }]) => [writer, { number, hash: Buffer.from(hash, 'hex') }] as const,
  );
  return { before: new Date(before), anchors: new Map(links) };
}

async function checkChains(
  client: pg.ClientBase,
  { from, to, onProgress }: VerifyOptions,
  dropped: Dropped | undefined,
  checked: Checked,
): Promise<void> {
  const walk = new ChainWalk(dropped, async (writer, number) => {
    const { rows } = await client.query<{ hash: Buffer }>(blockAtSql, [writer, number]);
    return rows[0]?.hash;
  });
  const keptFrom = await leastDelivery(client);
  let after: unknown[] = [from, firstId, 0];
  for (;;) {
    const { rows } = await client.query<BlockRow>(blocksSql, [...after, to, blocksAtOnce]);
    const blocks = rows.map(blockFromRow);
    for (const block of blocks) {
      await walk.follow(block);
      for (const entry of await checkEntries(client, block, dropped)) {
        if (entry.action !== 'delivery.batch') continue;
        checked.attempts += await checkBatch(client, entry, keptFrom);
      }
      checked.blocks += 1;
      checked.entries += block.ids.length;
    }
    checked.writers = walk.writers;
    onProgress?.(checked);
    const last = blocks.at(-1);
    if (!last || blocks.length < blocksAtOnce) return;
    after = [last.sealedAt, last.writer, last.number];
  }
}

/** @returns the entries of a block that retention has left */
async function checkEntries(
  client: pg.ClientBase,
  { writer, ids, digests }: Block,
  dropped: Dropped | undefined,
): Promise<AuditEntry[]> {
  const bounds = [...ids].sort();
  const { rows } = await client.query<EntryRow>(readEntriesSql, [ids, bounds[0], bounds.at(-1)]);
  const found = new Map(rows.map((row) => [row.id, entryFromRow(row)]));
  const leaf = hashList(1);
  return ids.flatMap((id, i) => {
    const entry = found.get(id);
    if (!entry) {
      if (dropped && madeAt(id) < dropped.before) return [];
      throw broken('entry', id, 'it is missing');
    }
    putLeaf(leaf, 0, canonicalText(entry));
    const isSame = leaf.equals(hashAt(digests, i)) && entry.writer === writer;
    if (!isSame) throw broken('entry', id, 'it was changed');
    return entry;
  });
}

/** Entries that belong to no chain were put there by somebody else, or their block is gone. */
async function checkForLoose(
  client: pg.ClientBase,
  { from, to, onProgress }: VerifyOptions,
  checked: Checked,
): Promise<void> {
  let start = from;
  for (;;) {
    const { rows } = await client.query<{ id: string }>(nextEntrySql, [
      idFloor(start),
      idFloor(to),
    ]);
    if (!rows[0]) break;
    const begin = madeAt(rows[0].id);
    const end = new Date(Math.min(begin.getTime() + windowMs, to.getTime()));
    await checkWindow(client, begin, end);
    onProgress?.(checked);
    start = end;
  }
  const { rows } = await client.query<{ count: number }>(unsealedSql);
  checked.unsealed = rows[0]!.count;
}

async function checkWindow(client: pg.ClientBase, begin: Date, end: Date): Promise<void> {
  let least = idFloor(begin);
  for (;;) {
    const { rows } = await client.query<{ id: string; writer: string }>(looseEntriesSql, [
      least,
      idFloor(end),
      new Date(begin.getTime() - sealedWithinMs),
      new Date(end.getTime() + sealedWithinMs),
    ]);
    for (const { id, writer } of rows) {
      const since = new Date(madeAt(id).getTime() - sealedWithinMs);
      const late = await client.query<{ found: boolean }>(isInBlockSql, [writer, since, id]);
      if (!late.rows[0]!.found) {
        throw broken(
          'entry',
          id,
          'it belongs to no block: it was put there past the hub, or its block is gone',
        );
      }
    }
    if (rows.length < 1000) return;
    least = rows.at(-1)!.id;
  }
}

async function leastDelivery(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<{ name: string }>(
    `select min(inhrelid::regclass::text) as name from pg_inherits
     where inhparent = 'deliveries'::regclass and inhrelid::regclass::text ~ '_\\d{8}_\\d{8}$'`,
  );
  const day = /_(\d{4})(\d{2})(\d{2})_\d{8}$/.exec(rows[0]?.name ?? '');
  return day ? idFloor(new Date(`${day[1]}-${day[2]}-${day[3]}T00:00:00Z`)) : firstId;
}
