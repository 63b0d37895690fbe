import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { eventually } from '../../../test/support/eventually.js';
import { aPatient, aPractice } from '../../../test/support/factories-patients.js';
import { createTestDatabase } from '../../../test/support/postgres.js';
import { startTestHub, testDataDir } from '../../../test/support/start-hub.js';
import { startWebhookReceiver } from '../../../test/support/webhook-receiver.js';
import { readSettings } from '../../platform/settings.js';
import { canonicalText, entryColumns, entryFromRow, type EntryRow } from '../audit-entry.js';
import { blockColumns, blockFromRow, blockHash, type Block, type BlockRow } from '../block.js';
import { HeadKey } from '../head-key.js';
import { merkleRoot, putLeaf } from '../merkle.rules.js';
import type { Fault } from './fault.js';
import { verifyTrail, type Checked } from './verify.js';

/*
 * A trail of a hub that has closed, and somebody with all rights on the database. Each does their worst in a
 * transaction, which is verified from within and rolled back.
 */

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let client: pg.Client;
let headsFolder: string;
let key: HeadKey;
let blocks: (Block & { hash: Buffer })[];

beforeAll(async () => {
  database = await createTestDatabase();
  headsFolder = await mkdtemp(join(tmpdir(), 'hub-heads-'));
  await writeTrail();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  key = await HeadKey.load(readSettings({ HUB_DATA_DIR: testDataDir }));
  const { rows } = await client.query<BlockRow>(
    `select ${blockColumns} from audit_blocks order by number`,
  );
  blocks = rows.map(blockFromRow);
});
afterAll(async () => {
  await client.end();
  await database.drop();
  await rm(headsFolder, { recursive: true });
});

/** Facts, reads, and a delivery that succeeds the second time, over some blocks. */
async function writeTrail(): Promise<void> {
  // Long leases: on a busy machine a short one lapses, and a result that is void is proven by nothing.
  const settings = { HUB_AUDIT_HEADS_DIR: headsFolder, HUB_LEASE_SECONDS: '60' };
  const hub = await startTestHub({ databaseUrl: database.url, settings });
  const answers = [500, 200];
  const receiver = await startWebhookReceiver({ respond: () => answers.shift() ?? 200 });
  const endpoint = { url: receiver.url, eventTypes: ['patient.*'], retrySchedule: 'quick' };
  const { secret } = (await hub.api('POST', '/v1/endpoints', endpoint)).body;
  receiver.setSecret(secret);
  const practice = await aPractice(hub);
  const patients = `/v1/practices/${practice.id}/patients`;
  for (let nth = 0; nth < 4; nth += 1) {
    await aPatient(hub, practice);
    await hub.api('GET', patients);
    const held = await count(hub.database, 'audit_blocks');
    await eventually(async () => {
      await hub.api('GET', patients);
      expect(await count(hub.database, 'audit_blocks')).toBeGreaterThan(held);
    });
  }
  const open = `deliveries where status <> 'delivered'`;
  await eventually(async () => expect(await count(hub.database, open)).toBe(0), 40_000);
  await hub.close();
  await receiver.close();
}

async function count(pool: pg.Pool, table: string): Promise<number> {
  return (await pool.query(`select count(*)::int as count from ${table}`)).rows[0].count;
}

function verify(trustedKeys = [key.publicKey]): Promise<{ checked: Checked; fault?: Fault }> {
  return verifyTrail(client, {
    from: new Date(0),
    to: new Date(Date.now() + 60_000),
    headsFolder,
    trustedKeys: new Set(trustedKeys),
  });
}

/** What is found after somebody with all rights has run these statements. */
async function faultAfter(
  ...statements: [sql: string, values?: unknown[]][]
): Promise<Fault | undefined> {
  await client.query('begin');
  try {
    // As a superuser can: no trigger fires.
    await client.query(`set local session_replication_role = replica`);
    for (const [sql, values] of statements) {
      const { rowCount } = await client.query(sql, values);
      expect({ sql, changes: rowCount! > 0 }).toEqual({ sql, changes: true });
    }
    return (await verify()).fault;
  } finally {
    await client.query('rollback');
  }
}

describe('a trail that nobody has touched', () => {
  it('holds: entries, blocks, deliveries and heads', async () => {
    const { checked, fault } = await verify();
    expect(fault).toBeUndefined();
    expect(checked).toMatchObject({ writers: 1, unsealed: 0, unreadableHeads: 0 });
    expect(checked.blocks).toBeGreaterThanOrEqual(4);
    expect(checked.entries).toBeGreaterThan(checked.blocks);
    // Four deliveries, of which one took two attempts.
    expect(checked.attempts).toBe(5);
    expect(checked.heads).toBeGreaterThanOrEqual(2);
  });

  it('holds in part, from the middle of a chain on', async () => {
    const { sealedAt } = blocks[2]!;
    const { checked, fault } = await verifyTrail(client, {
      from: sealedAt,
      to: new Date(Date.now() + 60_000),
      headsFolder,
      trustedKeys: new Set([key.publicKey]),
    });
    expect(fault).toBeUndefined();
    expect(checked.blocks).toBe(blocks.length - 2);
  });
});

describe('an entry', () => {
  it.each(['actor', 'action', 'subject', 'ip', 'correlation_id', 'on_behalf_of'])(
    'whose %s was changed is named',
    async (column) => {
      const id = blocks[1]!.ids[0]!;
      const change = `update audit_entries set ${column} = 'x' where id = $1`;
      expect(await faultAfter([change, [id]])).toMatchObject({
        what: 'entry',
        which: id,
        why: 'it was changed',
      });
    },
  );

  it('whose patients, detail or writer was changed is named', async () => {
    const id = blocks[1]!.ids.at(-1)!;
    for (const change of [
      `patient_ids = array[id]`,
      `detail = detail || '{"count": 0}'`,
      `writer = gen_random_uuid()`,
    ]) {
      const fault = await faultAfter([`update audit_entries set ${change} where id = $1`, [id]]);
      expect({ change, fault }).toMatchObject({ change, fault: { what: 'entry', which: id } });
    }
  });

  it('that was removed is named, and so is one that was put in', async () => {
    const id = blocks[2]!.ids[0]!;
    expect(await faultAfter([`delete from audit_entries where id = $1`, [id]])).toEqual({
      what: 'entry',
      which: id,
      why: 'it is missing',
    });
    const forged = crypto.randomUUID().replace(/^.{14}/, id.slice(0, 14));
    const insert = `
      insert into audit_entries (id, writer, action, actor)
      select $1, writer, 'patient.read', 'operator' from audit_entries where id = $2`;
    expect(await faultAfter([insert, [forged, id]])).toMatchObject({
      what: 'entry',
      which: forged,
    });
  });

  it('is the first that is named where several are broken', async () => {
    const [first, second] = [blocks[1]!.ids[0]!, blocks[2]!.ids[0]!];
    const both = `update audit_entries set actor = 'x' where id = any($1)`;
    expect(await faultAfter([both, [[second, first]]])).toMatchObject({ which: first });
  });
});

describe('a block', () => {
  const nameOf = (block: Block) => `${block.writer} ${block.number}`;

  it('that was changed is named', async () => {
    for (const [change, what] of [
      [`sealed_at = sealed_at + interval '1 millisecond'`, 'block'],
      [`previous = sha256('x')`, 'block'],
      [`root = sha256('x')`, 'block'],
      [`hash = sha256('x')`, 'block'],
      [`digests = sha256('x') || substr(digests, 33)`, 'block'],
      [`ids = array_reverse(ids)`, 'entry'],
    ]) {
      const fault = await faultAfter([`update audit_blocks set ${change} where number = 2`]);
      expect({ change, fault }).toMatchObject({ change, fault: { what } });
      if (what === 'block') expect(fault!.which).toBe(nameOf(blocks[1]!));
    }
  });

  it('whose entries were put in another order is named', async () => {
    const { digests, number } = blocks.find(({ ids }) => ids.length > 1)!;
    const swapped = Buffer.concat([
      digests.subarray(32, 64),
      digests.subarray(0, 32),
      digests.subarray(64),
    ]);
    const change = 'update audit_blocks set digests = $1 where number = $2';
    expect(await faultAfter([change, [swapped, number]])).toMatchObject({
      what: 'block',
      why: expect.stringContaining('order'),
    });
  });

  it('that is missing is named, with or without its entries', async () => {
    const { ids } = blocks[1]!;
    const cut: [string] = ['delete from audit_blocks where number = 2'];
    const named = {
      what: 'block',
      which: nameOf(blocks[1]!),
      why: expect.stringMatching('missing'),
    };
    expect(await faultAfter(cut)).toMatchObject(named);
    const entries = 'delete from audit_entries where id = any($1)';
    expect(await faultAfter(cut, [entries, [ids]])).toMatchObject(named);
  });

  it('at the end is missed too, since its head was exported', async () => {
    const last = blocks.at(-1)!;
    expect(
      await faultAfter(
        ['delete from audit_blocks where number = $1', [last.number]],
        ['delete from audit_entries where id = any($1)', [last.ids]],
      ),
    ).toMatchObject({
      what: 'block',
      which: nameOf(last),
      why: expect.stringContaining('cut off'),
    });
    // As if an old copy had been restored, or all of it removed.
    expect(
      await faultAfter(['delete from audit_blocks'], ['delete from audit_entries']),
    ).toMatchObject({ what: 'block', why: expect.stringContaining('older copy') });
  });

  it('that was made anew from a changed entry does not match its head', async () => {
    const last = blocks.at(-1)!;
    const { rows } = await client.query<EntryRow>(
      `select ${entryColumns} from audit_entries where id = $1`,
      [last.ids[0]],
    );
    const digests = Buffer.from(last.digests);
    putLeaf(digests, 0, canonicalText({ ...entryFromRow(rows[0]!), actor: 'nobody' }));
    const root = merkleRoot(digests);
    const hash = blockHash({ ...last, root });
    expect(
      await faultAfter(
        [`update audit_entries set actor = 'nobody' where id = $1`, [last.ids[0]]],
        [
          'update audit_blocks set digests = $1, root = $2, hash = $3 where number = $4',
          [digests, root, hash, last.number],
        ],
      ),
    ).toMatchObject({
      what: 'block',
      which: nameOf(last),
      why: expect.stringContaining('signed at'),
    });
  });
});

describe('a delivery', () => {
  it('whose attempts say otherwise than when they were recorded is found', async () => {
    for (const change of [
      `update deliveries set last_status_code = 201 where sequence = 2`,
      `update deliveries set last_attempt_at = last_attempt_at - interval '1 hour' where sequence = 2`,
      `update deliveries set last_outcome = 'timeout' where sequence = 2`,
      `update delivery_attempts set status_code = 200`,
      `delete from delivery_attempts`,
      `delete from deliveries where sequence = 2`,
    ]) {
      const fault = await faultAfter([change]);
      expect({ change, fault }).toMatchObject({ change, fault: { what: 'delivery batch' } });
    }
  });
});

describe('a head', () => {
  it('that was changed, or signed by another, is not believed', async () => {
    const file = join(headsFolder, `heads-${new Date().toISOString().slice(0, 10)}.ndjson`);
    const whole = await readFile(file, 'utf8');
    await writeFile(file, whole.replace(/"number":\d+/, '"number":999'));
    expect((await verify()).fault).toMatchObject({ what: 'head', why: 'its signature is wrong' });
    await writeFile(file, `${whole}\n{"torn`);
    expect(await verify()).toMatchObject({ checked: { unreadableHeads: 1 } });
    await writeFile(file, whole);
    expect((await verify([])).fault).toMatchObject({ why: expect.stringContaining('not trusted') });
    expect((await verify()).fault).toBeUndefined();
  });
});
