import { Injectable } from '@nestjs/common';
import { In, MoreThan, MoreThanOrEqual } from 'typeorm';
import { ScopedReads } from '../database/scoped-reads.js';
import type { Tx } from '../database/transactions.js';
import { AccountsService } from '../patients/accounts.service.js';
import { findByExternalId } from '../platform/external-ids.js';
import {
  afterId,
  externalIdOf,
  limitOf,
  pageOf,
  type Page,
  type ResourceListQuery,
} from '../platform/http/lists.js';
import { invalidParameter, notFound } from '../platform/http/problem.js';
import { PracticesService } from '../practices/practices.service.js';
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

  /** In order of creation. @throws Problem 404 for an unknown practice. */
  async list(
    practiceId: string,
    family: Family,
    query: ResourceListQuery,
  ): Promise<Page<LedgerEntry>> {
    const manager = this.reads.ofPractice(practiceId);
    const limit = limitOf(query);
    const after = afterId(query);
    const external = externalIdOf(query);
    await this.practices.get(practiceId);
    const found = external && (await findByExternalId(manager, practiceId, family, external));
    if (external && !found) return { data: [], nextCursor: null };
    const rows = await manager.find(LedgerEntry, {
      where: {
        practiceId,
        kind: In(families[family]),
        ...(after && { id: MoreThan(after) }),
        ...(found && { id: found }),
        ...(query.updatedSince && { postedAt: MoreThanOrEqual(new Date(query.updatedSince)) }),
      },
      order: { id: 'asc' },
      take: limit + 1,
    });
    return pageOf(rows, limit, (entry) => entry);
  }

  /** @throws Problem 404 */
  async getOfAccount(practiceId: string, accountId: string, id: string): Promise<LedgerEntry> {
    const manager = this.reads.ofPractice(practiceId);
    const entry = await manager.findOneBy(LedgerEntry, { practiceId, accountId, id });
    if (!entry) throw notFound('entry');
    return entry;
  }

  /**
   * In the order in which entries were made, so that `balanceAfter` runs on: ids of hubs whose clocks differ may
   * not follow that order, so the cursor's entry tells its place.
   * @throws Problem 404
   */
  async listOfAccount(
    practiceId: string,
    accountId: string,
    query: EntryListQuery,
  ): Promise<Page<LedgerEntry>> {
    const manager = this.reads.ofPractice(practiceId);
    const limit = limitOf(query);
    const after = afterId(query);
    await this.accounts.get(practiceId, accountId);
    const last =
      after &&
      (await manager.findOne(LedgerEntry, {
        select: { id: true, ordinal: true },
        where: { practiceId, accountId, id: after },
      }));
    if (after && !last) {
      throw invalidParameter('after', 'unknown_cursor', 'after must be a nextCursor of this list.');
    }
    const rows = await manager.find(LedgerEntry, {
      where: {
        practiceId,
        accountId,
        ...(last && { ordinal: MoreThan(last.ordinal!) }),
        ...(query.updatedSince && { postedAt: MoreThanOrEqual(new Date(query.updatedSince)) }),
      },
      order: { ordinal: 'asc' },
      take: limit + 1,
    });
    return pageOf(rows, limit, (entry) => entry);
  }
}
