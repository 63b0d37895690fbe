import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type pg from 'pg';
import { startTestHub, testDataDir, type TestHub } from '../../test/support/start-hub.js';
import { idFloor } from '../database/time-ids.js';
import { readSettings } from '../platform/settings.js';
import { canonicalText, entryColumns, entryFromRow } from './audit-entry.js';
import { blockColumns, blockHash, chainBeginning } from './block.js';
import { HeadKey } from './head-key.js';
import { hashList, merkleRoot, putLeaf } from './merkle.rules.js';
import { AuditRetention } from './retention.js';
import { sealNext } from './seal.js';
import { verifyTrail } from './verify/verify.js';

/* A writer that began seven years ago and goes on today. */

const longAgo = new Date(Date.now() - 7 * 366 * 86_400_000);
const writer = crypto.randomUUID();

let hub: TestHub;
let client: pg.PoolClient;

beforeAll(async () => {
  hub = await startTestHub();
  client = await hub.database.connect();
  await client.query('select hub_audit_partitions($1)', [longAgo]);
  await client.query(`insert into audit_writers (id, name) values ($1, 'hub')`, [writer]);
  await sealLongAgo();
  await client.query(
    `with made as (select hub_uuid_v7() as id),
     entry as (insert into audit_entries (id, writer, action, actor) select id, $1, 'patient.read', 'operator' from made)
     insert into audit_unsealed (writer, id) select $1, id from made`,
    [writer],
  );
  await client.query('begin');
  await sealNext(client, writer);
  await client.query('commit');
});
afterAll(async () => {
  client.release();
  await hub.close();
});

/** The first block of the chain, as it was sealed then. */
async function sealLongAgo(): Promise<void> {
  const id = idFloor(longAgo);
  const { rows } = await client.query(
    `insert into audit_entries (id, writer, action, actor) values ($1, $2, 'patient.read', 'operator')
     returning ${entryColumns}`,
    [id, writer],
  );
  const digests = hashList(1);
  putLeaf(digests, 0, canonicalText(entryFromRow(rows[0])));
  const [root, previous] = [merkleRoot(digests), chainBeginning(writer)];
  const block = {
    writer,
    number: 1,
    sealedAt: longAgo,
    previous,
    root,
    ids: [id],
    adoptedBy: null,
  };
  await client.query(
    `insert into audit_blocks (${blockColumns}) values ($1, 1, $2, $3, $4, $5, $6, null, $7)`,
    [writer, longAgo, previous, root, [id], digests, blockHash(block)],
  );
}

async function verify() {
  const settings = readSettings({ HUB_DATA_DIR: testDataDir });
  return verifyTrail(client, {
    from: new Date(0),
    to: new Date(Date.now() + 60_000),
    // One without heads: those of the writer of long ago were never exported.
    headsFolder: import.meta.dirname,
    trustedKeys: new Set([(await HeadKey.load(settings)).publicKey]),
  });
}

it('drops whole quarters past their time, says so in the trail, and what is left is verified', async () => {
  const whole = await verify();
  expect(whole.fault).toBeUndefined();

  await hub.app.get(AuditRetention).dropExpired();
  const { rows: left } = await client.query(
    'select id from audit_entries where writer = $1 order by id',
    [writer],
  );
  expect(left).toHaveLength(1);
  const { rows } = await client.query(
    `select detail from audit_entries where action = 'audit.dropped'`,
  );
  expect(rows).toEqual([
    {
      detail: {
        before: expect.stringMatching(/^\d{4}-(01|04|07|10)-01T00:00:00.000Z$/),
        partitions: expect.arrayContaining([
          expect.stringMatching(/^audit_blocks_\d{8}_\d{8}$/),
          expect.stringMatching(/^audit_entries_\d{8}_\d{8}$/),
        ]),
        anchors: { [writer]: { number: 1, hash: expect.stringMatching(/^[0-9a-f]{64}$/) } },
      },
    },
  ]);
  expect((await verify()).fault).toBeUndefined();
});

it('leaves no way to pass off as retention what somebody else has removed', async () => {
  await client.query('begin');
  await client.query('set local session_replication_role = replica');
  await client.query(`delete from audit_entries where action = 'audit.dropped'`);
  expect((await verify()).fault).toMatchObject({ what: 'block', which: `${writer} 1` });
  await client.query('rollback');
});
