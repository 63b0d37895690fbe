import type pg from 'pg';
import { isSigned, type SignedHead } from '../head-key.js';
import { readHeads, type UnreadableLine } from '../head-log.js';
import { blocksAtSql } from '../sql/verify.js';
import type { Dropped } from './chain-walk.js';
import { broken } from './fault.js';

const atOnce = 500;

interface HeadOptions {
  folder: string;
  /** Public keys whose heads count. */
  trustedKeys: ReadonlySet<string>;
  from: Date;
  to: Date;
  dropped: Dropped | undefined;
  onProgress: (heads: number) => void;
}

/**
 * Looks each exported head up in the table: where it is missing the end of a chain was cut off, or an older copy of the
 * database restored.
 * @returns how many there were, and how many lines hold none (a process died while it wrote one)
 * @throws TrailBroken
 */
export async function checkHeads(
  client: pg.ClientBase,
  { folder, trustedKeys, from, to, dropped, onProgress }: HeadOptions,
): Promise<{ heads: number; unreadable: number }> {
  let [heads, unreadable] = [0, 0];
  let batch: { head: SignedHead; place: UnreadableLine }[] = [];
  for await (const { head, place } of readHeads(folder)) {
    if (!head) {
      unreadable += 1;
      continue;
    }
    assertSigned(head, place, trustedKeys);
    const sealedAt = new Date(head.sealedAt);
    if (sealedAt < from || sealedAt >= to || (dropped && sealedAt < dropped.before)) continue;
    batch.push({ head, place });
    heads += 1;
    if (batch.length < atOnce) continue;
    await lookUp(client, batch);
    batch = [];
    onProgress(heads);
  }
  await lookUp(client, batch);
  return { heads, unreadable };
}

function assertSigned(
  head: SignedHead,
  { file, line }: UnreadableLine,
  trustedKeys: ReadonlySet<string>,
): void {
  const which = `${file}:${line}`;
  if (!trustedKeys.has(head.key)) {
    throw broken('head', which, `it is signed with the key ${head.key}, which is not trusted`);
  }
  if (!isSigned(head)) throw broken('head', which, 'its signature is wrong');
}

async function lookUp(
  client: pg.ClientBase,
  batch: readonly { head: SignedHead; place: UnreadableLine }[],
): Promise<void> {
  if (batch.length === 0) return;
  const { rows } = await client.query<{ writer: string; number: string; hash: Buffer }>(
    blocksAtSql,
    [batch.map(({ head }) => head.writer), batch.map(({ head }) => head.number)],
  );
  const hashes = new Map(rows.map((row) => [`${row.writer} ${row.number}`, row.hash]));
  for (const { head, place } of batch) {
    const block = `${head.writer} ${head.number}`;
    const signed = `was signed at ${head.at} (${place.file}:${place.line})`;
    const hash = hashes.get(block);
    if (!hash) {
      const why = `it ${signed} and is missing: the end of its chain was cut off, or an older copy restored`;
      throw broken('block', block, why);
    }
    if (hash.toString('hex') !== head.hash) {
      throw broken('block', block, `it is not the one that ${signed}`);
    }
  }
}
