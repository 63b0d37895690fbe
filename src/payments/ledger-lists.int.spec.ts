import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { aPractice, anAccount, anEntry } from '../../test/support/factories-patients.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';

let hub: TestHub;
let practice: any;
let path: string;

beforeAll(async () => {
  hub = await startTestHub();
  practice = await aPractice(hub);
  path = `/v1/practices/${practice.id}`;
});
afterAll(() => hub?.close());

describe('the lists of charges, payments and adjustments', () => {
  it('show each its own kind, in order of creation, by external id and time', async () => {
    const own = await aPractice(hub);
    const { id: accountId } = await anAccount(hub, own);
    const externalIds = [{ system: 's', value: '1' }];
    const made: Record<string, any[]> = { charges: [], payments: [], adjustments: [] };
    for (const family of ['charges', 'payments', 'adjustments', 'charges'] as const) {
      const isFirst = made[family]!.length === 0;
      made[family]!.push(
        await anEntry(hub, own, family, { accountId, ...(isFirst && { externalIds }) }),
      );
    }
    await hub.api('POST', `/v1/practices/${own.id}/payments/${made.payments![0].id}/refund`);
    for (const [family, entries] of Object.entries(made)) {
      const list = `/v1/practices/${own.id}/${family}`;
      expect((await hub.api('GET', list)).body).toEqual({ data: entries, nextCursor: null });
      expect((await hub.api('GET', `${list}?externalId=s|1`)).body.data).toEqual([entries[0]]);
    }
    const list = `/v1/practices/${own.id}/charges`;
    const [first, second] = made.charges!;
    const page = await hub.api('GET', `${list}?limit=1`);
    expect(page.body.data).toEqual([first]);
    const next = await hub.api('GET', `${list}?limit=1&after=${page.body.nextCursor}`);
    expect(next.body).toEqual({ data: [second], nextCursor: null });
    const since = await hub.api('GET', `${list}?updatedSince=${second.postedAt}`);
    expect(since.body.data).toEqual([second]);
  });

  it('know nothing of entries of another kind or practice', async () => {
    const { id: accountId } = await anAccount(hub, practice);
    const charge = await anEntry(hub, practice, 'charges', { accountId });
    const other = await aPractice(hub);
    for (const address of [
      `${path}/payments/${charge.id}`,
      `${path}/accounts/${(await anAccount(hub, practice)).id}/entries/${charge.id}`,
      `/v1/practices/${other.id}/charges/${charge.id}`,
      `/v1/practices/${other.id}/accounts/${accountId}/entries`,
    ]) {
      expect((await hub.api('GET', address)).status).toBe(404);
    }
  });
});
