import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createTestDatabase } from '../../test/support/postgres.js';
import { readSettings } from '../platform/settings.js';
import { startHub } from '../hub.js';
import { isOpenToOthers, loadMasterKeys, masterKeyFileOf } from './load-master-keys.js';
import { MasterKeyMissing, MasterKeys, newMasterKey } from './master-keys.js';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let pool: pg.Pool;
let dataDir: string;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = new pg.Pool({ connectionString: database.url });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});
beforeEach(async () => {
  await pool.query('delete from data_keys');
  dataDir = await mkdtemp(join(tmpdir(), 'hub-master-key-'));
});
afterEach(() => rm(dataDir, { recursive: true }));

const given = (settings: Record<string, string>) =>
  loadMasterKeys(readSettings({ HUB_DATA_DIR: dataDir, ...settings }), pool);

const addDataKey = (masterKeyId: string) =>
  pool.query(`insert into data_keys (practice_id, wrapped, master_key_id) values (null, '', $1)`, [
    masterKeyId,
  ]);

describe('the master key', () => {
  it('is asked for before the database is waited for', async () => {
    const settings = readSettings({ DATABASE_URL: 'postgres://hub:3Gk0n5@127.0.0.1:1/hub' });
    await expect(startHub(settings)).rejects.toThrow(MasterKeyMissing);
  });

  it('of a hub with its embedded database is made once, for its owner alone', async () => {
    const first = await given({});
    expect(first).toMatchObject({ file: masterKeyFileOf({ dataDir }), isNew: true });
    expect((await stat(first.file!)).mode & 0o777).toBe(0o600);
    expect(await isOpenToOthers(first.file!)).toBe(false);
    const again = await given({});
    expect(again.isNew).toBe(false);
    expect(again.master.ids).toEqual(first.master.ids);
  });

  it('is not made anew where there is something that only the old one opens', async () => {
    const { file, master } = await given({});
    await addDataKey(master.firstId);
    await rm(file!);
    await expect(given({})).rejects.toThrow(MasterKeyMissing);
    await expect(stat(file!)).rejects.toThrow('ENOENT');
  });

  it('is asked for with a database of its own, and never made there', async () => {
    await expect(given({ DATABASE_URL: database.url })).rejects.toThrow(/HUB_MASTER_KEY/);
    const key = newMasterKey();
    const { master } = await given({ DATABASE_URL: database.url, HUB_MASTER_KEY: key });
    expect(master.ids).toHaveLength(1);
    await addDataKey(master.firstId);
    const other = { DATABASE_URL: database.url, HUB_MASTER_KEY: newMasterKey() };
    const refusal = given(other);
    await expect(refusal).rejects.toThrow(master.firstId);
    await expect(refusal).rejects.not.toThrow(other.HUB_MASTER_KEY);
    const both = { ...other, HUB_MASTER_KEY: `${other.HUB_MASTER_KEY},${key}` };
    expect((await given(both)).master.ids[1]).toBe(master.firstId);
  });

  it('is read again where its file has changed', async () => {
    const file = join(dataDir, 'keys');
    const [former, next] = [newMasterKey(), newMasterKey()];
    await writeFile(file, former);
    const keys = await MasterKeys.inFile(file);
    const dataKey = randomBytes(32);
    const { wrapped, masterKeyId } = keys.wrap(dataKey, 'a practice');
    await writeFile(file, `${next}\n${former}\n`);
    // Whoever edits a file takes longer than its time stamp is wide.
    await utimes(file, new Date(), new Date(Date.now() + 5000));
    await keys.refresh();
    expect(keys.firstId).not.toBe(masterKeyId);
    expect(keys.unwrap(wrapped, masterKeyId, 'a practice')).toEqual(dataKey);
    expect(() => keys.unwrap(wrapped, masterKeyId, 'another')).toThrow();
    expect(await readFile(file, 'utf8')).toContain(former);
  });

  it('is refused where it is none, without being repeated', async () => {
    const file = join(dataDir, 'keys');
    await writeFile(file, 'not-a-key-of-32-bytes');
    const refusal = MasterKeys.inFile(file);
    await expect(refusal).rejects.toThrow(/openssl rand -base64 32/);
    await expect(refusal).rejects.not.toThrow(/not-a-key/);
    await expect(MasterKeys.inFile(join(dataDir, 'none'))).rejects.toThrow(/ENOENT/);
  });
});
