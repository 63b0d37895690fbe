import { Injectable } from '@nestjs/common';
import { Equal, In, MoreThan, MoreThanOrEqual } from 'typeorm';
import { ScopedReads } from '../database/scoped-reads.js';
import type { Tx } from '../database/transactions.js';
import { AccountsService } from '../patients/accounts.service.js';
import type { Caller } from '../platform/access/caller.js';
import { assertMayAskFor } from '../platform/access/granted.js';
import { findByExternalId } from '../platform/external-ids.js';
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
import { invalidParameter, notFound } from '../platform/http/problem.js';
import { PracticesService } from '../practices/practices.service.js';
import { EntrySight } from './entry-sight.js';
import type { EntryListQuery } from './ledger.dto.js';
import { LedgerEntry } from './ledger-entry.entity.js';
import { families, type Family } from './ledger.rules.js';

/** Reads the ledger. */
@Injectable()
export class EntriesService {
  constructor(
    private readonly reads: ScopedReads,
    private readonly practices: PracticesService,
    private readonly accounts: AccountsService,
  ) {}

  /** @throws Problem 404, also for an entry of another family */
  async get(
    practiceId: string,
    family: Family,
    id: string,
    tx: Tx = this.reads.ofPractice(practiceId),
  ): Promise<LedgerEntry> {
    const entry = await tx.findOneBy(LedgerEntry, { practiceId, id, kind: In(families[family]) });
    if (!entry) throw notFound(family);
    return entry;
  }

  /** As much as a caller is shown. @throws Problem 404 for what it may not know of, as for what does not exist. */
  async read(caller: Caller, practiceId: string, family: Family, id: string): Promise<object> {
    const sight = new EntrySight(caller, practiceId, families[family]);
    if (sight.isBlind) throw notFound(family);
    const entry = await this.reads.ofPractice(practiceId).findOneBy(LedgerEntry, {
      practiceId,
      id,
      ...sight.conditions,
      ...allOf('accountId', ...sight.accountConditions),
    });
    if (!entry) throw notFound(family);
    return sight.show(entry);
  }

  /**
   * Those that a caller may know of, as much as it is shown; in order of creation.
   * @throws Problem 404 for an unknown practice, or one of whose ledger it may know nothing of this family.
   */
  async list(
    caller: Caller,
    practiceId: string,
    family: Family,
    query: ResourceListQuery,
  ): Promise<Page<object>> {
    const sight = new EntrySight(caller, practiceId, families[family]);
    if (sight.isBlind) throw unknownPractice(caller);
    const manager = this.reads.ofPractice(practiceId);
    const limit = limitOf(query);
    const after = afterId(query);
    const external = externalIdOf(query);
    if (external) assertMayAskFor('externalId', 'entry', 'externalIds', sight.sights);
    await this.practices.get(practiceId);
    const found = external && (await findByExternalId(manager, practiceId, family, external));
    if (external && !found) return { data: [], nextCursor: null };
    const rows = await manager.find(LedgerEntry, {
      where: {
        practiceId,
        ...sight.conditions,
        ...allOf('accountId', ...sight.accountConditions),
        ...allOf('id', after && MoreThan(after), found && Equal(found)),
        ...(query.updatedSince && { postedAt: MoreThanOrEqual(new Date(query.updatedSince)) }),
      },
      order: { id: 'asc' },
      take: limit + 1,
    });
    return pageOf(rows, limit, (entry) => sight.show(entry));
  }

  /** As much as a caller is shown. @throws Problem 404 for what it may not know of, as for what does not exist. */
  async readOfAccount(
    caller: Caller,
    practiceId: string,
    accountId: string,
    id: string,
  ): Promise<object> {
    const sight = new EntrySight(caller, practiceId);
    if (sight.isBlind) throw notFound('entry');
    const entry = await this.reads.ofPractice(practiceId).findOneBy(LedgerEntry, {
      practiceId,
      id,
      ...sight.conditions,
      ...allOf('accountId', Equal(accountId), ...sight.accountConditions),
    });
    if (!entry) throw notFound('entry');
    return sight.show(entry);
  }

  /**
   * In the order in which entries were made, so that `balanceAfter` runs on: ids of hubs whose clocks differ may
   * not follow that order, so the cursor's entry tells its place. Those that a caller may know of, as much as it is shown.
   * @throws Problem 404
   */
  async listOfAccount(
    caller: Caller,
    practiceId: string,
    accountId: string,
    query: EntryListQuery,
  ): Promise<Page<object>> {
    const sight = new EntrySight(caller, practiceId);
    if (sight.isBlind) throw notFound('account');
    const manager = this.reads.ofPractice(practiceId);
    const limit = limitOf(query);
    const after = afterId(query);
    // Whoever may read any entry may read its account, if only its id.
    await this.accounts.read(caller, practiceId, accountId);
    const last =
      after &&
      (await manager.findOne(LedgerEntry, {
        select: { id: true, ordinal: true },
        // One that is hidden is told as one that is not there.
        where: { practiceId, accountId, ...sight.conditions, id: after },
      }));
    if (after && !last) {
      throw invalidParameter('after', 'unknown_cursor', 'after must be a nextCursor of this list.');
    }
    const rows = await manager.find(LedgerEntry, {
      where: {
        practiceId,
        accountId,
        ...sight.conditions,
        ...(last && { ordinal: MoreThan(last.ordinal!) }),
        ...(query.updatedSince && { postedAt: MoreThanOrEqual(new Date(query.updatedSince)) }),
      },
      order: { ordinal: 'asc' },
      take: limit + 1,
    });
    return pageOf(rows, limit, (entry) => sight.show(entry));
  }
}
