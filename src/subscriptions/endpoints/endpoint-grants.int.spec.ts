import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { anApplication, asApplication } from '../../../test/support/applications.js';
import { aPractice } from '../../../test/support/factories-patients.js';
import { aGrant, aPartnerWithKey, type Partner } from '../../../test/support/partners.js';
import { startTestHub, type TestHub } from '../../../test/support/start-hub.js';

let hub: TestHub;
let partner: Partner;
let wide: any;
let narrow: any;
let stranger: any;

beforeAll(async () => {
  hub = await startTestHub();
  partner = await aPartnerWithKey(hub);
  [wide, narrow, stranger] = [await aPractice(hub), await aPractice(hub), await aPractice(hub)];
  await aGrant(hub, wide, partner, { eventTypes: ['payment.*'], payloadMode: 'full' });
  await aGrant(hub, narrow, partner, {
    eventTypes: ['payment.posted', 'charge.posted'],
    payloadMode: 'minimum',
  });
});
afterAll(() => hub.close());

const create = (input: object) =>
  partner.api('POST', '/v1/endpoints', {
    url: 'http://127.0.0.1:9/',
    eventTypes: ['payment.*'],
    enabled: false,
    ...input,
  });
const faultsOf = ({ status, body }: any) => [
  status,
  ...(body.errors ?? []).map(({ pointer, code }: any) => `${pointer} ${code}`),
];

describe('an endpoint of a partner', () => {
  it.each([
    [{ eventTypes: ['payment.*', 'charge.*'] }, 'full'],
    [{ eventTypes: ['charge.posted'] }, 'minimum'],
    [{ eventTypes: ['*'], payloadMode: 'thin' }, 'thin'],
    // What tells of its own endpoints needs no grant.
    [{ eventTypes: ['endpoint.*'] }, 'full'],
  ])('that asks for %j is shown %s', async (input, mode) => {
    expect(await create(input)).toMatchObject({ status: 201, body: { payloadMode: mode } });
  });

  it('takes the widest of the practices that it names', async () => {
    const { body } = await create({ practiceIds: [narrow.id] });
    expect(body.payloadMode).toBe('minimum');
  });

  it.each([
    [{ eventTypes: ['payment.*', 'patient.created'] }, '/eventTypes/1 not_granted'],
    [{ eventTypes: ['appointment.*'] }, '/eventTypes/0 not_granted'],
    [{ eventTypes: ['charge.*'], payloadMode: 'full' }, '/payloadMode not_granted'],
    // Of one of the practices that is hidden; and what nobody has is answered alike.
    [{ filter: { 'payer.name': 'Ada' } }, '/filter/payer.name unknown_filter_field'],
    [{ filter: { 'payer.nothing': 'Ada' } }, '/filter/payer.nothing unknown_filter_field'],
  ])('may not ask for %j', async (input, fault) => {
    expect(faultsOf(await create(input))).toEqual([422, fault]);
  });

  it('may filter by what all practices show that it names', async () => {
    const { status } = await create({ practiceIds: [wide.id], filter: { 'payer.name': 'Ada' } });
    expect(status).toBe(201);
    const both = { practiceIds: [wide.id, narrow.id], filter: { 'payer.name': 'Ada' } };
    expect(faultsOf(await create(both))).toEqual([422, '/filter/payer.name unknown_filter_field']);
  });

  it('learns nothing of practices that have granted nothing', async () => {
    const nobody = '019a0f5e-7c00-7000-8000-000000000001';
    const answers = await Promise.all(
      [stranger.id, nobody].map((id) => create({ practiceIds: [wide.id, id] })),
    );
    const told = answers.map(({ status, body }) => [status, { ...body, requestId: null }]);
    expect(told[0]).toEqual(told[1]);
    expect(faultsOf(answers[0])).toEqual([422, '/practiceIds/1 unknown_practice']);
  });

  it('is held to its own grants when it is changed, whoever does it', async () => {
    const { body } = await create({ practiceIds: [narrow.id], payloadMode: 'thin' });
    for (const client of [partner, hub]) {
      const patch = (change: object) =>
        client.api('PATCH', `/v1/endpoints/${body.id}`, change, { 'if-match': '*' });
      expect(faultsOf(await patch({ payloadMode: 'full' }))).toEqual([
        422,
        '/payloadMode not_granted',
      ]);
      expect(faultsOf(await patch({ eventTypes: ['patient.*'] }))).toEqual([
        422,
        '/eventTypes/0 not_granted',
      ]);
      expect(faultsOf(await patch({ practiceIds: [stranger.id] }))).toEqual([
        422,
        '/practiceIds/0 unknown_practice',
      ]);
      expect((await patch({ payloadMode: 'minimum' })).status).toBe(200);
    }
  });
});

it('an endpoint of an application asks for what it likes, as before', async () => {
  const application = await asApplication(hub, await anApplication(hub, [stranger]));
  const input = { url: 'http://127.0.0.1:9/', eventTypes: ['patient.*'], enabled: false };
  expect(await application.api('POST', '/v1/endpoints', input)).toMatchObject({
    status: 201,
    body: { payloadMode: 'full' },
  });
});
