import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { aPractice, anAccount, anEntry } from '../../test/support/factories-patients.js';
import { startTestHub, type TestHub } from '../../test/support/start-hub.js';
import { effectOf, type EntryKind } from './ledger.rules.js';

let hub: TestHub;
let practice: any;
let path: string;

beforeAll(async () => {
  hub = await startTestHub();
  practice = await aPractice(hub);
  path = `/v1/practices/${practice.id}`;
});
afterAll(() => hub?.close());

interface Row {
  id: string;
  kind: EntryKind;
  amount: number;
  balance_after: number;
}

async function ledgerOf(accountId: string): Promise<{ balance: number; entries: Row[] }> {
  const account = await hub.database.query(`select balance::int from accounts where id = $1`, [
    accountId,
  ]);
  const entries = await hub.database.query<Row>(
    `select id, kind, amount::int, balance_after::int from ledger_entries
     where account_id = $1 order by ordinal`,
    [accountId],
  );
  return { balance: account.rows[0].balance, entries: entries.rows };
}

const amount = fc.integer({ min: 1, max: 500 });
const step = fc.oneof(
  fc.record({ post: fc.constantFrom('charge', 'payment', 'credit', 'debit'), amount }),
  fc.record({ undo: fc.constantFrom('refund', 'reverse'), which: fc.nat(20), amount }),
);

describe('a balance', () => {
  it('is the sum of the entries after every random history', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 15 }), async (steps) => {
        const { id: accountId } = await anAccount(hub, practice);
        const payments: string[] = [];
        for (const each of steps) {
          if ('undo' in each) {
            const payment = payments[each.which % payments.length];
            if (!payment) continue;
            await hub.api(
              'POST',
              `${path}/payments/${payment}/${each.undo}`,
              each.undo === 'refund' ? { amount: each.amount } : {},
            );
            continue;
          }
          const { post, amount: posted } = each;
          const family = { charge: 'charges', payment: 'payments' }[post as string];
          const entry = await anEntry(hub, practice, (family ?? 'adjustments') as 'charges', {
            accountId,
            amount: posted,
            ...(!family && { kind: post }),
          });
          if (post === 'payment') payments.push(entry.id);
        }
        const { balance, entries } = await ledgerOf(accountId);
        let sum = 0;
        for (const entry of entries) {
          sum += effectOf(entry.kind, entry.amount);
          expect(entry.balance_after).toBe(sum);
        }
        expect(balance).toBe(sum);
        // Nothing was paid back that had not come in.
        const out = entries.filter(({ kind }) => kind === 'refund' || kind === 'reversal');
        const came = entries.filter(({ kind }) => kind === 'payment');
        const total = (rows: Row[]) => rows.reduce((all, row) => all + row.amount, 0);
        expect(total(out)).toBeLessThanOrEqual(total(came));
      }),
      { numRuns: 12 },
    );
  });

  it('is the sum of the entries that come at once', async () => {
    const { id: accountId } = await anAccount(hub, practice);
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        anEntry(hub, practice, i % 3 === 0 ? 'payments' : 'charges', { accountId, amount: i + 1 }),
      ),
    );
    const { balance, entries } = await ledgerOf(accountId);
    expect(entries).toHaveLength(20);
    expect(balance).toBe(entries.at(-1)!.balance_after);
    expect(balance).toBe(
      entries.reduce((sum, { kind, amount: part }) => sum + effectOf(kind, part), 0),
    );
  });
});

describe('the database itself', () => {
  const entry = (accountId: string, ordinal: number, balanceAfter: number) =>
    [
      `insert into ledger_entries
       (id, practice_id, account_id, ordinal, kind, amount, currency, balance_after, posted_on)
     values (gen_random_uuid(), $1, $2, $3, 'charge', 100, 'USD', $4, current_date)`,
      [practice.id, accountId, ordinal, balanceAfter],
    ] as const;

  it('refuses an entry that does not go on from the one before it', async () => {
    const { id } = await anAccount(hub, practice);
    await anEntry(hub, practice, 'charges', { accountId: id });
    for (const [ordinal, balanceAfter, message] of [
      [2, 10_050, /does not go on/],
      [3, 10_100, /does not go on/],
      [1, 100, /unique/],
      // Right by itself, but the account would not know of it.
      [2, 10_100, /does not stand at its last entry/],
    ] as const) {
      await expect(hub.database.query(...spread(entry(id, ordinal, balanceAfter)))).rejects.toThrow(
        message,
      );
    }
    expect((await ledgerOf(id)).balance).toBe(10_000);
  });

  it('refuses a balance without its entry', async () => {
    const { id } = await anAccount(hub, practice);
    await anEntry(hub, practice, 'charges', { accountId: id });
    await anEntry(hub, practice, 'charges', { accountId: id });
    for (const change of [
      'balance = 0',
      'balance = balance + 1, entries = entries + 1',
      'balance = 10000, entries = 1',
    ]) {
      await expect(
        hub.database.query(`update accounts set ${change} where id = $1`, [id]),
      ).rejects.toThrow('changes only with a ledger entry');
    }
    await expect(
      hub.database.query(
        `insert into accounts (id, practice_id, holder, currency, balance)
         values (gen_random_uuid(), $1, '{"givenName": "G"}', 'USD', 5)`,
        [practice.id],
      ),
    ).rejects.toThrow(/check constraint/);
  });

  it('refuses to change or delete an entry', async () => {
    const { id } = await anAccount(hub, practice);
    await anEntry(hub, practice, 'charges', { accountId: id });
    for (const sql of [
      `update ledger_entries set description = 'x' where account_id = $1`,
      `delete from ledger_entries where account_id = $1`,
    ]) {
      await expect(hub.database.query(sql, [id])).rejects.toThrow('append-only');
    }
    await expect(hub.database.query('truncate ledger_entries cascade')).rejects.toThrow(
      'append-only',
    );
  });

  it('refuses a second reversal of one payment', async () => {
    const { id: accountId } = await anAccount(hub, practice);
    const payment = await anEntry(hub, practice, 'payments', { accountId });
    await hub.api('POST', `${path}/payments/${payment.id}/reverse`);
    await expect(
      hub.database.query(
        `insert into ledger_entries
           (id, practice_id, account_id, ordinal, kind, amount, currency, balance_after, posted_on,
            method, payer, reverses_entry_id)
         values (gen_random_uuid(), $1, $2, 3, 'reversal', 10000, 'USD', 10000, current_date,
                 'card', '{"type": "patient"}', $3)`,
        [practice.id, accountId, payment.id],
      ),
    ).rejects.toThrow('ledger_entries_reversed_once');
  });
});

function spread(query: readonly [string, readonly unknown[]]): [string, unknown[]] {
  return [query[0], [...query[1]]];
}
