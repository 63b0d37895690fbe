import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createTestDatabase } from '../../test/support/postgres.js';
import { startTestHub } from '../../test/support/start-hub.js';
import { migrate } from './migrate.js';
import { RolesMissing } from './roles.js';

let admin: pg.Pool;
let template: { url: string; drop(): Promise<void> };
const made: { database: string; user: string }[] = [];

beforeAll(async () => {
  template = await createTestDatabase();
  admin = new pg.Pool({ connectionString: template.url, max: 1 });
});
afterEach(async () => {
  for (const { database, user } of made.splice(0)) {
    await admin.query(`drop database ${database} with (force)`);
    await admin.query(`drop role ${user}`);
  }
});
afterAll(async () => {
  await admin.end();
  await template.drop();
});

/** An empty database and the user who owns it and no more, as administrators give them out. */
async function aDatabaseOf(attributes: string): Promise<{ url: string; user: string }> {
  const name = `hub_of_user_${randomBytes(6).toString('hex')}`;
  await admin.query(`create role ${name} login password 'of-a-test' ${attributes}`);
  await admin.query(`create database ${name} owner ${name}`);
  made.push({ database: name, user: name });
  const url = new URL(template.url);
  Object.assign(url, { username: name, password: 'of-a-test', pathname: `/${name}` });
  return { url: url.href, user: name };
}

describe("the roles of the hub's connections", () => {
  it('are told to an administrator where the database’s user may not make them', async () => {
    const { url, user } = await aDatabaseOf('nocreaterole');
    const refusal = await migrate(url).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(RolesMissing);
    const grant = `grant hub_api, hub_engine to "${user}";`;
    expect((refusal as Error).message).toContain(grant);

    await admin.query(grant);
    const hub = await startTestHub({ databaseUrl: url });
    try {
      const practice = { name: 'Elm', kind: 'dental', timeZone: 'Europe/Zurich', currency: 'CHF' };
      const { status, body } = await hub.api('POST', '/v1/practices', practice);
      expect(status).toBe(201);
      const path = `/v1/practices/${body.id}/patients`;
      const patient = await hub.api('POST', path, {
        kind: 'human',
        givenName: 'A',
        familyName: 'B',
      });
      expect(patient.status).toBe(201);
      expect((await hub.api('GET', path)).body.data).toEqual([patient.body]);
      expect((await hub.api('GET', '/health/ready')).body.status).toBe('up');
    } finally {
      await hub.close();
    }
  });

  it('are the same ones for every database of the cluster, however many begin at once', async () => {
    const databases = await Promise.all([aDatabaseOf('superuser'), aDatabaseOf('superuser')]);
    await Promise.all(databases.map(({ url }) => migrate(url)));
    // Nothing is left to do, and nothing is done.
    await Promise.all(databases.map(({ url }) => migrate(url)));
  });

  it('get their rights anew where a dump was restored without them', async () => {
    const { url } = await aDatabaseOf('superuser');
    await migrate(url);
    const owner = new pg.Client({ connectionString: url });
    await owner.connect();
    try {
      const mayRead = `select has_table_privilege('hub_api', 'patients', 'select') as may`;
      await owner.query('revoke all on all tables in schema public from hub_api, hub_engine');
      expect((await owner.query(mayRead)).rows).toEqual([{ may: false }]);
      await migrate(url);
      expect((await owner.query(mayRead)).rows).toEqual([{ may: true }]);
    } finally {
      await owner.end();
    }
  });
});
