import { mkdir, open, readdir } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Settings } from '../platform/settings.js';
import type { HeadKey, SignedHead } from './head-key.js';
import type { Head } from './seal.js';

/** Where heads are written: HUB_AUDIT_HEADS_DIR, else a folder in HUB_DATA_DIR. */
export function headsFolder({ auditHeadsDir, dataDir }: Settings): string {
  return auditHeadsDir ?? join(dataDir, 'audit-heads');
}

/**
 * Heads of chains in files outside of the database, one for each day (UTC): what was cut off a chain's end, or undone
 * by restoring an old copy, is missed by them. Whoever ships the files elsewhere makes that hold against this machine.
 */
export class HeadLog {
  constructor(
    private readonly folder: string,
    private readonly key: HeadKey,
  ) {}

  /** Signs and adds heads; resolves once they are on the disk. Several processes may do so at once. */
  async append(heads: readonly Head[], now = new Date()): Promise<void> {
    if (heads.length === 0) return;
    await mkdir(this.folder, { recursive: true });
    const lines = heads.map((head) => JSON.stringify(this.key.sign(head, now)));
    const file = await open(
      join(this.folder, `heads-${now.toISOString().slice(0, 10)}.ndjson`),
      'a',
    );
    try {
      // Begun on a line of its own, whatever a process that died in the middle of one has left.
      await file.write(`\n${lines.join('\n')}\n`);
      await file.datasync();
    } finally {
      await file.close();
    }
  }
}

/** A line that holds no head: a torn one, of a process that died, or one that somebody changed. */
export interface UnreadableLine {
  file: string;
  line: number;
}

/** All heads of a folder, day by day, read as a stream. */
export async function* readHeads(
  folder: string,
): AsyncGenerator<
  { head: SignedHead; place: UnreadableLine } | { head?: undefined; place: UnreadableLine }
> {
  const names = (await readdir(folder)).filter((name) => /^heads-[\d-]{10}\.ndjson$/.test(name));
  for (const file of names.sort()) {
    let line = 0;
    const input = createReadStream(join(folder, file), 'utf8');
    for await (const text of createInterface({ input, crlfDelay: Infinity })) {
      line += 1;
      if (text !== '') yield { head: headOf(text), place: { file, line } };
    }
  }
}

function headOf(text: string): SignedHead | undefined {
  try {
    const head = JSON.parse(text) as SignedHead;
    return typeof head.signature === 'string' && Number.isInteger(head.number) ? head : undefined;
  } catch {
    return undefined;
  }
}
