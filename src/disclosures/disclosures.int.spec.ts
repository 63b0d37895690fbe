import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { anApplication, asApplication } from '../../test/support/applications.js';
import { patch } from '../../test/support/factories-appointments.js';
import { anAccount, aPatient, aPractice } from '../../test/support/factories-patients.js';
import { aGrant, aPartner } from '../../test/support/partners.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';
import { operator, type Caller } from '../platform/access/caller.js';
import { Disclosures } from './disclosures.service.js';
import type { Shown } from './shown.rules.js';

let hub: TestHub;
let disclosures: Disclosures;
let practice: any;
let partner: Caller;
let partnerId: string;
let grantId: string;

beforeAll(async () => {
  hub = await startTestHub();
  disclosures = hub.app.get(Disclosures);
  practice = await aPractice(hub);
  partnerId = (await aPartner(hub)).id;
  grantId = (await aGrant(hub, practice, { id: partnerId }, { eventTypes: ['*'] })).id;
  const practices = new Set<string>([practice.id]);
  partner = { ...operator, kind: 'partner', actor: `partners/${partnerId}`, practices };
});
afterAll(() => hub.close());

function fetching(change: Partial<Shown>): Shown {
  return {
    practiceId: practice.id,
    patientId: null,
    accountId: null,
    what: 'patient',
    types: ['patient.created'],
    mode: null,
    eventId: null,
    ...change,
  };
}

/** The partner fetches this, one request each. */
async function fetched(...shown: Partial<Shown>[]): Promise<void> {
  for (const each of shown) await disclosures.read(partner, 'fetch', 'req-1', [fetching(each)]);
}

const pathOf = (patient: any) => `/v1/practices/${practice.id}/patients/${patient.id}/disclosures`;

describe('disclosures of a patient', () => {
  it('tell when what was shown to whom, how much of it, and why', async () => {
    const patient = await aPatient(hub, practice);
    await disclosures.read({ ...partner, onBehalfOf: 'Kim' }, 'fetch', 'req-7', [
      fetching({ patientId: patient.id }),
    ]);
    const { status, body } = await hub.api('GET', pathOf(patient));
    expect(status).toBe(200);
    expect(body).toEqual({
      data: [
        {
          id: expect.any(String),
          at: expect.stringMatching(/Z$/),
          recipient: { kind: 'partner', id: partnerId, name: 'Prairie Recalls' },
          how: 'fetch',
          confirmed: true,
          what: 'patient',
          mode: 'minimum',
          purpose: 'Reconciliation of card payments',
          grantId,
          agreementReference: 'BAA-2026-117',
          correlationId: 'req-7',
          onBehalfOf: 'Kim',
        },
      ],
      nextCursor: null,
    });
  });

  it('keep the purpose as it was, whatever the grant says later', async () => {
    const patient = await aPatient(hub, practice);
    await fetched({ patientId: patient.id });
    await hub.database.query(`update grants set purpose = 'marketing' where id = $1`, [grantId]);
    await fetched({ patientId: patient.id });
    await hub.database.query(
      `update grants set purpose = 'Reconciliation of card payments' where id = $1`,
      [grantId],
    );
    const { data } = (await hub.api('GET', pathOf(patient))).body;
    expect(data.map(({ purpose }: any) => purpose)).toEqual([
      'marketing',
      'Reconciliation of card payments',
    ]);
  });

  it('come newest first, page by page, and from and to a time', async () => {
    const patient = await aPatient(hub, practice);
    await fetched(...['a', 'b', 'c', 'd', 'e'].map((what) => ({ patientId: patient.id, what })));
    const path = pathOf(patient);
    const seen: any[] = [];
    for (let after = ''; ;) {
      const page = (await hub.api('GET', `${path}?limit=2${after}`)).body;
      seen.push(...page.data);
      if (page.nextCursor === null) break;
      after = `&after=${page.nextCursor}`;
    }
    expect(seen.map(({ what }) => what)).toEqual(['e', 'd', 'c', 'b', 'a']);
    const between = await hub.api('GET', `${path}?from=${seen[3].at}&to=${seen[1].at}`);
    const expected = seen.filter(({ at }) => at >= seen[3].at && at < seen[1].at);
    expect(between.body.data).toEqual(expected);
    const foreign = await hub.api('GET', `${path}?after=bm8gY3Vyc29y`);
    expect([foreign.status, foreign.body.errors[0].parameter]).toEqual([422, 'after']);
  });

  it('are one line each as NDJSON, all of them', async () => {
    const patient = await aPatient(hub, practice);
    const many = Array.from({ length: 1100 }, (_, n) =>
      fetching({ patientId: patient.id, what: `w${n}` }),
    );
    await disclosures.read(partner, 'fetch', 'req-2', many);
    const answer = await fetch(`${hub.url}${pathOf(patient)}?limit=1`, {
      headers: { authorization: `Bearer ${hub.key}`, accept: 'application/x-ndjson' },
    });
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
    const lines = (await answer.text()).trimEnd().split('\n');
    const what = lines.map((line) => JSON.parse(line).what);
    expect(new Set(what)).toEqual(new Set(many.map((each) => each.what)));
    expect(what).toHaveLength(1100);
  });

  it('include what was about an account that they are or were on, and nobody else’s', async () => {
    const patient = await aPatient(hub, practice);
    const [next, other] = [await anAccount(hub, practice), await anAccount(hub, practice)];
    await fetched({ accountId: patient.accountId, what: 'first account' });
    const path = `/v1/practices/${practice.id}/patients/${patient.id}`;
    expect((await patch(hub, path, { accountId: next.id })).status).toBe(200);
    await fetched(
      { accountId: next.id, what: 'next account' },
      { accountId: other.id, what: 'other account' },
      { accountId: next.id, patientId: crypto.randomUUID(), what: 'other patient' },
    );
    const { data } = (await hub.api('GET', pathOf(patient))).body;
    expect(data.map(({ what, accountId }: any) => [what, accountId])).toEqual([
      ['next account', next.id],
      ['first account', patient.accountId],
    ]);
  });

  it('outlive the patient', async () => {
    const patient = await aPatient(hub, practice);
    await fetched({ patientId: patient.id });
    const path = `/v1/practices/${practice.id}/patients/${patient.id}`;
    const deleted = await hub.api('DELETE', path, undefined, { 'if-match': '*' });
    expect([deleted.status, (await hub.api('GET', path)).status]).toEqual([204, 404]);
    expect((await hub.api('GET', pathOf(patient))).body.data).toHaveLength(1);
    await expect(hub.database.query('delete from disclosures')).rejects.toThrow('append-only');
    await expect(hub.database.query(`update disclosures set purpose = 'another'`)).rejects.toThrow(
      'append-only',
    );
    await expect(hub.database.query('truncate disclosures')).rejects.toThrow('append-only');
  });

  it('are not kept of callers who work for the practice itself', async () => {
    const patient = await aPatient(hub, practice);
    const shown = fetching({ patientId: patient.id });
    for (const caller of [operator, { ...operator, kind: 'application' as const }]) {
      await disclosures.read(caller, 'fetch', 'req-3', [shown]);
    }
    expect((await hub.api('GET', pathOf(patient))).body.data).toEqual([]);
  });

  it('are the practice’s to read, and of a patient that there is', async () => {
    const patient = await aPatient(hub, practice);
    const own = await asApplication(hub, await anApplication(hub, [practice]));
    const foreign = await asApplication(hub, await anApplication(hub, [await aPractice(hub)]));
    expect((await own.api('GET', pathOf(patient))).status).toBe(200);
    expect((await foreign.api('GET', pathOf(patient))).status).toBe(404);
    for (const accept of ['application/json', 'application/x-ndjson']) {
      const missing = await hub.api('GET', pathOf({ id: crypto.randomUUID() }), undefined, {
        accept,
      });
      expect([missing.status, missing.body.code]).toEqual([404, 'not_found']);
    }
  });
});
