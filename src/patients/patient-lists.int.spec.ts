import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { aPatient, aPractice } from '../../test/support/factories-patients.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';

let hub: TestHub;
let practice: any;
let path: string;

beforeAll(async () => {
  hub = await startTestHub();
  practice = await aPractice(hub);
  path = `/v1/practices/${practice.id}/patients`;
});
afterAll(() => hub?.close());

describe('external ids', () => {
  it('find a patient, are unique in a practice, and are free again after a deletion', async () => {
    const own = await aPractice(hub);
    const externalIds = [{ system: 'open-dental', value: '7|7' }];
    const list = `/v1/practices/${own.id}/patients`;
    const patient = await aPatient(hub, own, { externalIds });
    const other = await aPatient(hub, own);
    const find = async (id: string) =>
      (await hub.api('GET', `${list}?externalId=${encodeURIComponent(id)}`)).body.data;
    expect(await find('open-dental|7|7')).toEqual([patient]);
    expect(await find('open-dental|8')).toEqual([]);

    const again = { kind: 'human', givenName: 'B', externalIds };
    expect(await hub.api('POST', list, again)).toMatchObject({
      status: 409,
      body: { code: 'external_id_taken' },
    });
    const taking = await hub.api(
      'PATCH',
      `${list}/${other.id}`,
      { externalIds },
      {
        'if-match': '"1"',
      },
    );
    expect(taking.status).toBe(409);
    expect((await hub.api('GET', `${list}/${other.id}`)).body).toEqual(other);

    await hub.api('DELETE', `${list}/${patient.id}`, undefined, { 'if-match': '"1"' });
    expect((await hub.api('POST', list, again)).status).toBe(201);
  });
});

describe('the list', () => {
  it('goes through all patients in order of creation, page by page', async () => {
    const own = await aPractice(hub);
    const list = `/v1/practices/${own.id}/patients`;
    const made = [];
    for (let i = 0; i < 5; i += 1) made.push((await aPatient(hub, own)).id);
    const first = await hub.api('GET', `${list}?limit=2`);
    expect(first.headers.get('hub-position')).toMatch(/^\d+\.\d+\.\d+$/);
    const seen = first.body.data.map(({ id }: any) => id);
    let cursor = first.body.nextCursor;
    while (cursor) {
      const page = await hub.api('GET', `${list}?limit=2&after=${cursor}`);
      expect(page.headers.get('hub-position')).toBeNull();
      seen.push(...page.body.data.map(({ id }: any) => id));
      cursor = page.body.nextCursor;
    }
    expect(seen).toEqual(made);
  });

  it('shows with updatedSince what has changed', async () => {
    const own = await aPractice(hub);
    const list = `/v1/practices/${own.id}/patients`;
    const [first] = [await aPatient(hub, own), await aPatient(hub, own)];
    const changed = await hub.api(
      'PATCH',
      `${list}/${first.id}`,
      { givenName: 'B' },
      {
        'if-match': '"1"',
      },
    );
    const since = encodeURIComponent(changed.body.updatedAt);
    const answer = await hub.api('GET', `${list}?updatedSince=${since}`);
    expect(answer.body.data).toEqual([changed.body]);
  });

  it.each(['limit=0', 'limit=201', 'after=x', 'updatedSince=2026-01-01', 'externalId=x', 'foo=1'])(
    'refuses %s',
    async (query) => {
      const { status, body } = await hub.api('GET', `${path}?${query}`);
      expect(status).toBe(422);
      expect(body.errors[0].parameter).toBe(query.split('=')[0]);
    },
  );
});
