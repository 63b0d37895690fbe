import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { anApplication, asApplication, type Client } from '../../test/support/applications.js';
import { eventually } from '../../test/support/eventually.js';
import { aPatient, aPractice } from '../../test/support/factories-patients.js';
import { fetchWhole } from '../../test/support/fetch-whole.js';
import { aGrant, aPartner } from '../../test/support/partners.js';
import { startTestHub, type ApiAnswer, type TestHub } from '../../test/support/start-hub.js';
import { startWebhookReceiver, type WebhookReceiver } from '../../test/support/webhook-receiver.js';

let hub: TestHub;
let receiver: WebhookReceiver;
let practice: any;
let patient: any;
let application: any;
let client: Client;
let patients: string;

beforeAll(async () => {
  hub = await startTestHub();
  receiver = await startWebhookReceiver();
  practice = await aPractice(hub);
  patient = await aPatient(hub, practice);
  application = await anApplication(hub, [practice]);
  client = await asApplication(hub, application);
  patients = `/v1/practices/${practice.id}/patients`;
});
afterAll(async () => {
  await hub.close();
  await receiver.close();
});

let requests = 0;

/** A request, and the entries of it that are there when its answer is. */
async function asked(
  by: Pick<Client, 'api'>,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<{ answer: ApiAnswer; entries: any[] }> {
  const requestId = `audit-${++requests}`;
  const answer = await by.api(method, path, body, { 'x-request-id': requestId, ...headers });
  return { answer, entries: await entriesOf(requestId) };
}

async function entriesOf(correlationId: string): Promise<any[]> {
  const { rows } = await hub.database.query(
    'select * from audit_entries where correlation_id = $1 order by id',
    [correlationId],
  );
  return rows;
}

describe('a read', () => {
  it('is on record when its answer is there: who, with which key, whom, how', async () => {
    const { entries } = await asked(client, 'GET', `${patients}/${patient.id.toUpperCase()}`);
    expect(entries).toEqual([
      expect.objectContaining({
        action: 'patient.read',
        actor: `applications/${application.id}`,
        key_id: client.keyId,
        practice_id: practice.id,
        subject: `patients/${patient.id}`,
        patient_ids: [patient.id],
        ip: '127.0.0.1',
        detail: { route: '/v1/practices/:practiceId/patients/:patientId' },
      }),
    ]);
  });

  it('of a list names everybody who was in it', async () => {
    const other = await aPatient(hub, practice);
    const { entries } = await asked(client, 'GET', patients);
    expect(entries[0]).toMatchObject({
      action: 'patient.read',
      subject: `practices/${practice.id}`,
    });
    expect(entries[0].patient_ids).toEqual(expect.arrayContaining([patient.id, other.id]));
    expect(entries[0].detail.count).toBe(entries[0].patient_ids.length);
    const feed = await asked(client, 'GET', '/v1/events');
    expect(feed.entries[0].patient_ids).toEqual(expect.arrayContaining([patient.id, other.id]));
  });

  it('that cannot be put on record is not answered', async () => {
    await hub.database.query('alter table audit_unsealed rename to audit_out_of_reach');
    const answer = await hub.api('GET', `${patients}/${patient.id}`);
    await hub.database.query('alter table audit_out_of_reach rename to audit_unsealed');
    expect(answer.status).toBe(500);
    expect(JSON.stringify(answer.body)).not.toContain(patient.givenName);
    expect((await hub.api('GET', `${patients}/${patient.id}`)).status).toBe(200);
  });

  it('in vain is on record where it was of another’s', async () => {
    const foreign = await aPractice(hub);
    const { answer } = await asked(client, 'GET', `/v1/practices/${foreign.id}/patients`);
    expect(answer.status).toBe(404);
    await eventually(async () => {
      expect(await entriesOf(`audit-${requests}`)).toEqual([
        expect.objectContaining({
          action: 'access.refused',
          actor: `applications/${application.id}`,
          practice_id: foreign.id,
          detail: { route: 'GET /v1/practices/:practiceId/patients', status: 404 },
        }),
      ]);
    });
  });

  it('without a key is on record once a minute and address', async () => {
    for (const id of ['nobody-1', 'nobody-2']) {
      await fetchWhole(`${hub.url}${patients}`, { headers: { 'x-request-id': id } });
    }
    await eventually(async () => expect(await entriesOf('nobody-1')).toHaveLength(1));
    expect(await entriesOf('nobody-2')).toEqual([]);
  });
});

describe('a change', () => {
  it('is on record with it, by the names of what changed and never what it holds', async () => {
    const body = { kind: 'human', givenName: 'Marker', familyName: 'Marker' };
    const { answer, entries } = await asked(client, 'POST', patients, body);
    expect(entries).toEqual([
      expect.objectContaining({
        action: 'patient.created',
        subject: `patients/${answer.body.id}`,
        patient_ids: [answer.body.id],
        practice_id: practice.id,
        detail: {
          route: 'POST /v1/practices/:practiceId/patients',
          version: 1,
          fields: ['kind', 'givenName', 'familyName'],
        },
      }),
    ]);
    expect(JSON.stringify(entries)).not.toContain('Marker');
  });

  it('that is asked for again is told as such, and one that fails is not there', async () => {
    const body = { kind: 'human', givenName: 'Once' };
    const again = { 'idempotency-key': 'the same' };
    const first = await asked(client, 'POST', patients, body, again);
    const second = await asked(client, 'POST', patients, body, again);
    expect(first.entries[0].detail.replayed).toBeUndefined();
    expect(second.entries).toEqual([
      expect.objectContaining({
        action: 'patient.created',
        subject: first.entries[0].subject,
        detail: expect.objectContaining({ replayed: true }),
      }),
    ]);
    const failed = await asked(client, 'POST', patients, {
      ...body,
      accountId: crypto.randomUUID(),
    });
    expect([failed.answer.status, failed.entries]).toEqual([422, []]);
  });

  it('that finds things as it wants them is not there: access is revoked once', async () => {
    const keys = `/v1/applications/${application.id}/keys`;
    const key = (await hub.api('POST', keys, { name: 'for a day' })).body;
    const grant = await aGrant(hub, practice, await aPartner(hub));
    for (const [path, action] of [
      [`${keys}/${key.id}`, 'key.revoked'],
      [`/v1/practices/${practice.id}/grants/${grant.id}`, 'grant.revoked'],
    ] as const) {
      const first = await asked(hub, 'DELETE', path, undefined, { 'if-match': '*' });
      const second = await asked(hub, 'DELETE', path, undefined, { 'if-match': '*' });
      expect([first.answer.status, second.answer.status]).toEqual([204, 204]);
      expect(first.entries).toEqual([expect.objectContaining({ action })]);
      expect(second.entries).toEqual([]);
    }
  });

  it('of keys, applications and endpoints is on record by the operator', async () => {
    const keys = `/v1/applications/${application.id}/keys`;
    const made = await asked(hub, 'POST', keys, { name: 'another' });
    expect(made.entries[0]).toMatchObject({
      action: 'key.created',
      subject: `keys/${made.answer.body.id}`,
    });
    expect(JSON.stringify(made.entries)).not.toContain(made.answer.body.key);
    const revoked = await asked(hub, 'DELETE', `${keys}/${made.answer.body.id}`);
    expect(revoked.entries[0]).toMatchObject({ action: 'key.revoked', actor: 'operator' });
    const endpoint = { url: `${receiver.url}/a`, eventTypes: ['charge.posted'] };
    const { answer } = await asked(client, 'POST', '/v1/endpoints', endpoint);
    const rotated = await asked(
      client,
      'POST',
      `/v1/endpoints/${answer.body.id}/secret/rotate`,
      {},
    );
    expect(rotated.entries[0]).toMatchObject({
      action: 'endpoint.secret_rotate',
      subject: `endpoints/${answer.body.id}`,
    });
    const tested = await asked(client, 'POST', `/v1/endpoints/${answer.body.id}/test`, {});
    expect(tested.entries[0]).toMatchObject({ action: 'endpoint.test' });
  });
});

describe('deliveries', () => {
  it.each([200, 500])('answered with %d are on record by batch, with a root', async (status) => {
    receiver.respondWith(() => status);
    const endpoint = await client.api('POST', '/v1/endpoints', {
      url: `${receiver.url}/b`,
      eventTypes: ['patient.created'],
    });
    receiver.setSecret(endpoint.body.secret, '/b');
    await aPatient(hub, practice);
    await eventually(async () => {
      const { rows } = await hub.database.query(
        `select * from audit_entries where action = 'delivery.batch' and detail -> 'endpoints' ? $1`,
        [endpoint.body.id],
      );
      expect(rows).toEqual([
        expect.objectContaining({
          actor: 'system/deliveries',
          delivery_ids: [expect.any(String)],
          detail: {
            count: 1,
            recorded: 1,
            root: expect.stringMatching(/^[0-9a-f]{64}$/),
            endpoints: { [endpoint.body.id]: 1 },
          },
        }),
      ]);
    });
  });
});

describe('the trail', () => {
  it('is chained within seconds, and takes nothing back', async () => {
    await eventually(async () => {
      const { rows } = await hub.database.query(
        'select (select count(*) from audit_unsealed)::int as unsealed, count(*)::int as blocks from audit_blocks',
      );
      expect(rows[0]).toEqual({ unsealed: 0, blocks: expect.any(Number) });
      expect(rows[0].blocks).toBeGreaterThan(0);
    });
    const { rows: partitions } = await hub.database.query(
      `select inhrelid::regclass::text as name from pg_inherits
       where inhparent in ('audit_entries'::regclass, 'audit_blocks'::regclass)`,
    );
    const tables = ['audit_entries', 'audit_blocks', ...partitions.map(({ name }) => name)];
    expect(tables.length).toBeGreaterThanOrEqual(8);
    for (const table of tables) {
      const refused = { code: '23001' };
      await expect(hub.database.query(`truncate ${table}`)).rejects.toMatchObject(refused);
      const { rows } = await hub.database.query(`select count(*)::int as held from ${table}`);
      if (rows[0].held === 0) continue;
      await expect(hub.database.query(`delete from ${table}`)).rejects.toMatchObject(refused);
      const column = table.includes('entries') ? 'actor' : 'number';
      const change = `update ${table} set ${column} = ${column}`;
      await expect(hub.database.query(change)).rejects.toMatchObject(refused);
    }
  });

  it('lets the hub’s own roles add to it, and nothing else', async () => {
    const client = await hub.database.connect();
    for (const role of ['hub_api', 'hub_engine']) {
      await client.query(`set role ${role}`);
      for (const change of [
        `update audit_entries set actor = 'nobody'`,
        'delete from audit_entries',
        'truncate audit_entries',
        `update audit_blocks set number = 1`,
        'delete from audit_blocks',
        'alter table audit_entries disable trigger all',
      ]) {
        await expect(client.query(change)).rejects.toMatchObject({ code: '42501' });
      }
    }
    await client.query('reset role');
    client.release();
  });
});
