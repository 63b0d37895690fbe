import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The ledger: append-only, and the database itself keeps every balance the sum of its entries, whoever writes.
 */
export class Ledger1764000000006 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    // `effect` is what an entry does to the balance, and follows from its kind alone. A refund or reversal goes
    // back the way its payment came, so it repeats method and payer.
    await runner.query(`
      create table ledger_entries (
        id uuid primary key,
        practice_id uuid not null,
        account_id uuid not null,
        patient_id uuid,
        ordinal int not null check (ordinal > 0),
        kind text not null
          check (kind in ('charge', 'payment', 'credit', 'debit', 'refund', 'reversal')),
        amount bigint not null check (amount > 0),
        effect bigint not null generated always as
          (case when kind in ('payment', 'credit') then -amount else amount end) stored,
        currency char(3) not null,
        balance_after bigint not null,
        posted_on date not null,
        posted_at timestamptz(3) not null default clock_timestamp(),
        method text check (method in ('cash', 'card', 'check', 'transfer', 'other')),
        payer jsonb check (payer ->> 'type' in ('patient', 'insurance', 'other')),
        claim_id text,
        remittance_id text,
        reason text,
        description text,
        reverses_entry_id uuid references ledger_entries (id),
        external_ids jsonb not null default '[]',
        unique (account_id, ordinal),
        foreign key (practice_id, account_id) references accounts (practice_id, id),
        foreign key (practice_id, patient_id) references patients (practice_id, id),
        check ((kind in ('refund', 'reversal')) = (reverses_entry_id is not null)),
        check ((kind in ('payment', 'refund', 'reversal')) = (method is not null)),
        check ((method is null) = (payer is null)),
        check (kind not in ('credit', 'debit') or reason is not null)
      )`);
    await runner.query(
      `create index ledger_entries_kind on ledger_entries (practice_id, kind, id)`,
    );
    await runner.query(
      `create index ledger_entries_patient on ledger_entries (patient_id) where patient_id is not null`,
    );
    await runner.query(
      `create index ledger_entries_undoing on ledger_entries (reverses_entry_id)
       where reverses_entry_id is not null`,
    );
    await runner.query(
      `create unique index ledger_entries_reversed_once on ledger_entries (reverses_entry_id)
       where kind = 'reversal'`,
    );
    await runner.query(`
      create trigger ledger_entries_append_only before update or delete on ledger_entries
      for each row execute function public.hub_refuse_change()`);
    await runner.query(`
      create trigger ledger_entries_no_truncate before truncate on ledger_entries
      for each statement execute function public.hub_refuse_change()`);

    // After the statement, which writes the entry and its account together. Each entry goes on where the one
    // before it ended, and the account is where its last entry is: by induction the balance is the sum.
    await runner.query(`
      create function hub_check_ledger_entry() returns trigger language plpgsql as $$
      declare
        balance_before bigint := 0;
      begin
        if new.ordinal > 1 then
          select balance_after into balance_before from ledger_entries
            where account_id = new.account_id and ordinal = new.ordinal - 1;
        end if;
        if new.balance_after is distinct from balance_before + new.effect then
          raise exception 'entry % does not go on from the one before it', new.id
            using errcode = 'integrity_constraint_violation';
        end if;
        if not exists (
          select from accounts
          where id = new.account_id and entries = new.ordinal and balance = new.balance_after
            and currency = new.currency
        ) then
          raise exception 'account % does not stand at its last entry', new.account_id
            using errcode = 'integrity_constraint_violation';
        end if;
        return null;
      end $$`);
    await runner.query(`
      create trigger ledger_entries_balance after insert on ledger_entries
      for each row execute function hub_check_ledger_entry()`);
    await runner.query(`
      create function hub_check_account_balance() returns trigger language plpgsql as $$
      begin
        if new.entries <> old.entries + 1 or not exists (
          select from ledger_entries
          where account_id = new.id and ordinal = new.entries and balance_after = new.balance
        ) then
          raise exception 'the balance of account % changes only with a ledger entry', new.id
            using errcode = 'integrity_constraint_violation';
        end if;
        return null;
      end $$`);
    await runner.query(`
      create trigger accounts_balance after update on accounts for each row
      when (old.balance <> new.balance or old.entries <> new.entries)
      execute function hub_check_account_balance()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop trigger accounts_balance on accounts`);
    await runner.query(`drop table ledger_entries`);
    await runner.query(`drop function hub_check_account_balance(), hub_check_ledger_entry()`);
  }
}
