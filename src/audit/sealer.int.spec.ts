import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { eventually } from '../../test/support/eventually.js';
import { createTestDatabase } from '../../test/support/postgres.js';
import { startTestHub } from '../../test/support/start-hub.js';
import { EnginePool } from '../database/engine-pool.js';
import type { SignedHead } from './head-key.js';
import { readHeads } from './head-log.js';
import { sealNext } from './seal.js';
import { registerSql } from './sql/seal.js';
import { writeEntriesSql } from './sql/write.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let folder: string;
let dead: EnginePool;

beforeEach(async () => {
  database = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'hub-heads-'));
  dead = new EnginePool(database.url, 8, uuidv7());
});
afterEach(async () => {
  await dead.end();
  await database.drop();
  await rm(folder, { recursive: true });
});

async function writeEntry(): Promise<void> {
  const entry = { action: 'patient.read', actor: 'operator' };
  await dead.query(writeEntriesSql, [JSON.stringify([entry])]);
}

async function headsOfTheDead(): Promise<SignedHead[]> {
  const heads: SignedHead[] = [];
  for await (const { head } of readHeads(folder)) if (head) heads.push(head);
  return heads.filter(({ writer }) => writer === dead.auditWriter);
}

it('exports the head of a writer that died before it could, and of what comes to its chain later', async () => {
  await dead.query(registerSql, [dead.auditWriter, 'hub']);
  await writeEntry();
  const sealed = await dead.transaction((client) => sealNext(client, dead.auditWriter));
  await dead.query(`update audit_writers set seen_at = now() - interval '1 hour'`);

  const settings = { HUB_AUDIT_HEADS_DIR: folder, HUB_LEASE_SECONDS: '2' };
  const hub = await startTestHub({ databaseUrl: database.url, settings });
  try {
    await eventually(async () => {
      const { rows } = await dead.query(
        'select closed_at is not null as closed from audit_writers where id = $1',
        [dead.auditWriter],
      );
      expect(rows).toEqual([{ closed: true }]);
    }, 20_000);
    expect(await headsOfTheDead()).toEqual([
      expect.objectContaining({ number: 1, hash: sealed!.head.hash.toString('hex') }),
    ]);

    await writeEntry();
    await eventually(async () => {
      const { rows } = await dead.query('select from audit_unsealed where writer = $1', [
        dead.auditWriter,
      ]);
      expect(rows).toEqual([]);
    }, 20_000);
  } finally {
    await hub.close();
  }
  expect((await headsOfTheDead()).at(-1)).toMatchObject({ number: 2 });
});

it('makes blocks of what is soon hashed: of few entries, where these name many deliveries', async () => {
  await dead.query(registerSql, [dead.auditWriter, 'hub']);
  await dead.query(
    `with made as materialized (select hub_uuid_v7() as id, n from generate_series(1, 30) as n),
     entry as (
       insert into audit_entries (id, action, actor, delivery_ids)
       select id, 'delivery.batch', 'system/deliveries', array(select gen_random_uuid() from generate_series(1, 1000) where n > 0)
       from made
     )
     insert into audit_unsealed (writer, id) select hub_audit_writer(), id from made`,
  );
  const seal = () => dead.transaction((client) => sealNext(client, dead.auditWriter));
  expect([(await seal())?.isMore, (await seal())?.isMore]).toEqual([true, false]);
  expect(await seal()).toBeUndefined();
  const { rows } = await dead.query<{ entries: number }>(
    `select cardinality(ids) as entries 
     from audit_blocks where writer = $1 order by number`,
    [dead.auditWriter],
  );
  expect(rows).toEqual([{ entries: 20 }, { entries: 10 }]);
});
