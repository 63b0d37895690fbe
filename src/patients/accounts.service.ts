import { Injectable } from '@nestjs/common';
import { Equal, IsNull, MoreThan, MoreThanOrEqual } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { ScopedReads } from '../database/scoped-reads.js';
import { databaseTime, send, type Tx } from '../database/transactions.js';
import { Outbox, type Cause } from '../events/outbox/outbox.js';
import { typesAbout } from '../events/catalog/resources.js';
import type { Caller } from '../platform/access/caller.js';
import { assertMayAskFor, seen, sightOf } from '../platform/access/granted.js';
import { onNoRestrictedAccount } from '../platform/access/restricted.js';
import { findByExternalId, replaceExternalIds } from '../platform/external-ids.js';
import {
  afterId,
  allOf,
  externalIdOf,
  limitOf,
  pageOf,
  type Page,
  type ResourceListQuery,
} from '../platform/http/lists.js';
import { unknownPractice } from '../platform/access/unknown-practice.js';
import { invalidField, notFound } from '../platform/http/problem.js';
import type { Practice } from '../practices/practice.entity.js';
import { PracticesService } from '../practices/practices.service.js';
import type { AccountChange, NewAccount } from './account.dto.js';
import { Account } from './account.entity.js';
import { accountChanged, accountCreated } from './account.events.js';
import { Patient } from './patient.entity.js';
import { restrictAnewFor } from './sql/restrict.js';

@Injectable()
export class AccountsService {
  constructor(
    private readonly reads: ScopedReads,
    private readonly practices: PracticesService,
    private readonly outbox: Outbox,
  ) {}

  /** Opens an account in the practice's currency. @throws Problem 422 for an unknown guarantor. */
  async open(tx: Tx, cause: Cause, practice: Practice, input: NewAccount): Promise<Account> {
    const { holder, guarantorPatientId, externalIds = [] } = input;
    const now = await databaseTime(tx);
    const account = tx.create(Account, {
      id: uuidv7(),
      practiceId: practice.id,
      holder,
      guarantorPatientId: await this.guarantorId(tx, practice.id, guarantorPatientId),
      currency: practice.currency,
      balance: 0,
      externalIds,
      version: 1,
      createdAt: now,
      updatedAt: now,
    });
    await tx.insert(Account, account);
    if (externalIds.length > 0) {
      await replaceExternalIds(tx, practice.id, 'account', account.id, externalIds);
    }
    this.outbox.say(tx, cause, [accountCreated(account)]);
    return account;
  }

  async find(practiceId: string, id: string, tx: Tx): Promise<Account | null> {
    return tx.findOneBy(Account, { practiceId, id });
  }

  /** @throws Problem 404 */
  async get(
    practiceId: string,
    id: string,
    tx: Tx = this.reads.ofPractice(practiceId),
  ): Promise<Account> {
    const account = await this.find(practiceId, id, tx);
    if (!account) throw notFound('account');
    return account;
  }

  /** As much as a caller is shown. @throws Problem 404 for what it may not know of, as for what does not exist. */
  async read(caller: Caller, practiceId: string, id: string): Promise<object> {
    const sight = sightOf(caller, practiceId, typesAbout('accounts'));
    if (sight === 'none') throw notFound('account');
    const account = await this.reads.ofPractice(practiceId).findOneBy(Account, {
      practiceId,
      ...allOf('id', Equal(id), sight !== 'all' && onNoRestrictedAccount()),
    });
    if (!account) throw notFound('account');
    return seen('account', account, sight);
  }

  /**
   * Those that a caller may know of, as much as it is shown; in order of creation.
   * @throws Problem 404 for an unknown practice, or one of whose accounts it may know nothing.
   */
  async list(caller: Caller, practiceId: string, query: ResourceListQuery): Promise<Page<object>> {
    const sight = sightOf(caller, practiceId, typesAbout('accounts'));
    if (sight === 'none') throw unknownPractice(caller);
    const manager = this.reads.ofPractice(practiceId);
    const limit = limitOf(query);
    const after = afterId(query);
    const external = externalIdOf(query);
    if (external) assertMayAskFor('externalId', 'account', 'externalIds', [sight]);
    await this.practices.get(practiceId);
    const found = external && (await findByExternalId(manager, practiceId, 'account', external));
    if (external && !found) return { data: [], nextCursor: null };
    const rows = await manager.find(Account, {
      where: {
        practiceId,
        ...allOf(
          'id',
          after && MoreThan(after),
          found && Equal(found),
          sight !== 'all' && onNoRestrictedAccount(),
        ),
        ...(query.updatedSince && { updatedAt: MoreThanOrEqual(new Date(query.updatedSince)) }),
      },
      order: { id: 'asc' },
      take: limit + 1,
    });
    return pageOf(rows, limit, (account) => seen('account', account, sight));
  }

  /** A change that changes nothing makes no version and no event. @throws Problem 422 */
  async change(tx: Tx, cause: Cause, account: Account, change: AccountChange): Promise<Account> {
    const { holder = account.holder, guarantorPatientId = account.guarantorPatientId } = change;
    const changed = tx.create(Account, {
      ...account,
      holder,
      guarantorPatientId:
        guarantorPatientId === account.guarantorPatientId
          ? guarantorPatientId
          : await this.guarantorId(tx, account.practiceId, guarantorPatientId),
      version: account.version + 1,
      updatedAt: await databaseTime(tx),
    });
    const events = accountChanged(account, changed);
    if (events.length === 0) return account;
    // Never `save`: it would write the balance, which is the ledger's.
    const { version, updatedAt } = changed;
    await tx.update(
      Account,
      { id: account.id },
      { holder, guarantorPatientId: changed.guarantorPatientId, version, updatedAt },
    );
    this.outbox.say(tx, cause, events);
    if (changed.guarantorPatientId !== account.guarantorPatientId) {
      send(tx, restrictAnewFor, [changed.guarantorPatientId]);
    }
    return changed;
  }

  /** A deleted patient answers for nothing any more. */
  async releaseGuarantor(
    tx: Tx,
    cause: Cause,
    practiceId: string,
    guarantorPatientId: string,
  ): Promise<void> {
    const accounts = await tx.findBy(Account, { practiceId, guarantorPatientId });
    for (const account of accounts) {
      await this.change(tx, cause, account, { guarantorPatientId: null });
    }
  }

  /** The id as the database spells it. */
  private async guarantorId(
    tx: Tx,
    practiceId: string,
    id: string | null | undefined,
  ): Promise<string | null> {
    if (!id) return null;
    const patient = await tx.findOneBy(Patient, { practiceId, id, deletedAt: IsNull() });
    if (patient?.kind === 'human') return patient.id;
    throw invalidField(
      '/guarantorPatientId',
      patient ? 'animal_guarantor' : 'unknown_patient',
      patient ? 'An animal cannot answer for an account.' : 'The practice has no such patient.',
    );
  }
}
