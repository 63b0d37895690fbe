import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { aPatient, aPractice } from '../../test/support/factories-patients.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';
import { Outbox } from '../events/outbox/outbox.js';
import { AccountsService } from '../patients/accounts.service.js';
import { Patient } from '../patients/patient.entity.js';
import { PatientsService } from '../patients/patients.service.js';
import { operator } from '../platform/access/caller.js';
import { PracticesService } from '../practices/practices.service.js';
import { apiRole, engineRole } from './roles.js';
import { everything, scopeOfPractices, type Scope } from './scope.js';
import { ScopedReads } from './scoped-reads.js';
import { Transactions, type Tx } from './transactions.js';

let hub: TestHub;
let [elm, oak]: any[] = [];
let reads: ScopedReads;

beforeAll(async () => {
  hub = await startTestHub();
  reads = hub.app.get(ScopedReads);
  elm = await aPractice(hub);
  oak = await aPractice(hub);
  await aPatient(hub, elm, { givenName: 'Elm' });
  await aPatient(hub, oak, { givenName: 'Oak' });
});
afterAll(() => hub.close());

const select = async (sql: string, values: unknown[] = []): Promise<any[]> =>
  (await hub.database.query(sql, values)).rows;

/** Reads whose every condition on a practice has been forgotten. */
class ForgetfulReads extends ScopedReads {
  override within(scope: Scope): EntityManager {
    const manager = super.within(scope);
    const find = manager.find.bind(manager) as (...parameters: any[]) => any;
    manager.find = (
      entity: unknown,
      { where: { practiceId: _forgotten, ...where }, ...rest }: any,
    ) => find(entity, { where, ...rest });
    return manager;
  }
}

describe('a forgotten condition', () => {
  async function listOfElm(): Promise<string[]> {
    const app = hub.app;
    const forgetful = new PatientsService(
      new ForgetfulReads(app.get(DataSource)),
      app.get(PracticesService),
      app.get(AccountsService),
      app.get(Outbox),
    );
    const { data } = await forgetful.list(operator, elm.id, {});
    return data.map((patient: any) => patient.givenName);
  }

  it('finds nothing of a neighbour', async () => {
    expect(await listOfElm()).toEqual(['Elm']);
  });

  it('would find it without row-level security', async () => {
    await hub.database.query('alter table patients disable row level security');
    try {
      expect(await listOfElm()).toEqual(['Elm', 'Oak']);
    } finally {
      await hub.database.query('alter table patients enable row level security');
    }
  });

  it('changes and deletes nothing of a neighbour, and writes nothing for one', async () => {
    const inElm = <T>(work: (tx: Tx) => Promise<T>) =>
      hub.app.get(Transactions).run([elm.id], work);
    const renamed = await inElm((tx) =>
      tx.query(`update patients set given_name = 'X' returning id`),
    );
    expect(renamed[1]).toBe(1);
    expect(await inElm((tx) => tx.query(`delete from external_ids where true`))).toEqual([[], 0]);
    const [neighbour] = await select('select * from patients where practice_id = $1', [oak.id]);
    expect(neighbour.given_name).toBe('Oak');
    const foreign = { ...(await reads.ofPractice(oak.id).find(Patient))[0]!, id: uuidv7() };
    await expect(inElm((tx) => tx.insert(Patient, foreign))).rejects.toMatchObject({
      code: '42501',
      message: expect.stringContaining('row-level security'),
    });
  });
});

describe('a scope', () => {
  it('is nothing where nobody named one, whatever the connection was used for before', async () => {
    const { manager } = hub.app.get(DataSource);
    const rounds = Array.from({ length: 40 }, (_, nth) => nth);
    const counts = await Promise.all(
      rounds.map((nth) =>
        nth % 2 ? manager.count(Patient) : reads.ofPractice(elm.id).count(Patient),
      ),
    );
    expect(counts).toEqual(rounds.map((nth) => (nth % 2 ? 0 : 1)));
    expect(await reads.within(everything).count(Patient)).toBe(2);
  });

  it('ends with its transaction', async () => {
    await Promise.all(
      Array.from({ length: 20 }, () =>
        hub.app.get(Transactions).run([elm.id], (tx) => tx.count(Patient)),
      ),
    );
    const failing = hub.app.get(Transactions).run([elm.id], (tx) => tx.query('select 1/0'));
    await expect(failing).rejects.toMatchObject({ code: '22012' });
    const { manager } = hub.app.get(DataSource);
    const counts = await Promise.all(Array.from({ length: 20 }, () => manager.count(Patient)));
    expect(new Set(counts)).toEqual(new Set([0]));
  });

  it('that the database refuses lets nobody see what was read under the one before', async () => {
    const mangled = { practices: '\0', actor: '' };
    const broken = () => reads.within(mangled).query('select count(*) from patients');
    const pooled = () => reads.connections(mangled).query('select count(*) from patients');
    for (let nth = 0; nth < 5; nth += 1) {
      expect(await reads.ofPractice(elm.id).count(Patient)).toBe(1);
      await expect(broken()).rejects.toMatchObject({ code: '22021' });
      await expect(pooled()).rejects.toMatchObject({ code: '22021' });
    }
  });

  it('takes ids only, wherever they come from', async () => {
    for (const id of ['*', `${elm.id},${oak.id}`, '', `${elm.id}'; set role none; --`]) {
      expect(() => scopeOfPractices([id])).toThrow(TypeError);
      const path = `/v1/practices/${encodeURIComponent(id || ' ')}/patients`;
      expect((await hub.api('GET', path)).status).toBe(404);
      expect((await hub.api('POST', path, { kind: 'human', givenName: 'A' })).status).toBe(404);
    }
  });

  it('is read once a statement, and leaves the index in use', async () => {
    const sql = 'explain select * from patients where practice_id = $1 and id = $2';
    const plan: { 'QUERY PLAN': string }[] = await reads
      .ofPractice(elm.id)
      .query(sql, [elm.id, uuidv7()]);
    const text = plan.map((line) => line['QUERY PLAN']).join('\n');
    expect(text).toMatch(/InitPlan/);
    expect(text).not.toMatch(/SubPlan|Seq Scan/);
    expect(text).toMatch(/Index Cond: \((practice_id|id) = /);
  });
});

describe('the roles', () => {
  it('are none that could get around it', async () => {
    const roles = await select(
      `select rolname, rolsuper, rolbypassrls, rolcanlogin, rolcreaterole,
              exists (select from pg_class where relowner = r.oid) as owns
       from pg_roles as r where rolname = any ($1)`,
      [[apiRole, engineRole]],
    );
    const none = { rolsuper: false, rolbypassrls: false, rolcanlogin: false, rolcreaterole: false };
    expect(roles).toHaveLength(2);
    for (const role of roles) expect(role).toMatchObject({ ...none, owns: false });
  });

  it('are what the hub works with', async () => {
    const rows = await select(
      `select distinct application_name from pg_stat_activity where datname = current_database()`,
    );
    expect(rows.length).toBeGreaterThan(2);
    const [{ current_user }] = await hub.app.get(DataSource).query('select current_user');
    expect(current_user).toBe(apiRole);
  });

  it('reach no partition but through its table', async () => {
    const open = await select(
      `select relname from pg_class, unnest($1::text[]) as role
       where relispartition and relkind = 'r' and has_any_column_privilege(role, oid, 'select')`,
      [[apiRole, engineRole]],
    );
    expect(open).toEqual([]);
  });

  it('cannot change what is only appended to', async () => {
    for (const table of [
      'events',
      'ledger_entries',
      'audit_entries',
      'audit_blocks',
      'disclosures',
    ]) {
      const [rights] = await select(
        `select bool_or(has_table_privilege(role, $1, 'update') or has_table_privilege(role, $1, 'delete')) as may
         from unnest($2::text[]) as role`,
        [table, [apiRole, engineRole]],
      );
      expect(rights.may).toBe(false);
    }
  });
});

it('is on every table that says of which practice or endpoint its rows are', async () => {
  /** Numbers, moments and health of endpoints, and ids that wait in a queue: nothing that anybody said. */
  const queuesAndCounters = [
    'delivery_followers',
    'delivery_retries',
    'endpoint_counters',
    'endpoint_health',
    'endpoint_progress',
    'replay_items',
    'delivery_shards',
  ];
  const tables = await select(
    `select c.relname, c.relrowsecurity,
            (select jsonb_object_agg(polname, polroles[1]::regrole) from pg_policy where polrelid = c.oid) as policies
     from pg_class as c
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
       and exists (select from pg_attribute
                   where attrelid = c.oid and attname in ('practice_id', 'endpoint_id', 'delivery_id', 'owner'))
       and c.relname <> all ($1)
     order by relname`,
    [queuesAndCounters],
  );
  expect(tables.map(({ relname }) => relname)).toEqual(
    expect.arrayContaining(['accounts', 'appointments', 'deliveries', 'events', 'patients']),
  );
  for (const table of tables) {
    expect(table).toEqual({
      relname: table.relname,
      relrowsecurity: true,
      policies: { api: apiRole, engine: engineRole },
    });
  }
});
