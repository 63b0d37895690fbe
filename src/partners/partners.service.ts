import { Injectable } from '@nestjs/common';
import { DataSource, MoreThan } from 'typeorm';
import { databaseTime, type Tx } from '../database/transactions.js';
import { afterId, limitOf, pageOf, type ListQuery, type Page } from '../platform/http/lists.js';
import { notFound } from '../platform/http/problem.js';
import type { NewPartner, PartnerChange } from './partner.dto.js';
import { Partner } from './partner.entity.js';

@Injectable()
export class PartnersService {
  constructor(private readonly dataSource: DataSource) {}

  async create(tx: Tx, id: string, { name }: NewPartner): Promise<Partner> {
    const now = await databaseTime(tx);
    const partner = tx.create(Partner, { id, name, version: 1, createdAt: now, updatedAt: now });
    await tx.insert(Partner, partner);
    return partner;
  }

  /** @throws Problem 404 */
  async get(id: string): Promise<Partner> {
    const partner = await this.dataSource.manager.findOneBy(Partner, { id });
    if (!partner) throw notFound('partner');
    return partner;
  }

  /** Held until the transaction ends. @throws Problem 404 */
  async lock(tx: Tx, id: string): Promise<Partner> {
    const partner = await tx.findOne(Partner, {
      where: { id },
      lock: { mode: 'for_no_key_update' },
    });
    if (!partner) throw notFound('partner');
    return partner;
  }

  /** In order of creation. */
  async list(query: ListQuery): Promise<Page<Partner>> {
    const limit = limitOf(query);
    const after = afterId(query);
    const found = await this.dataSource.manager.find(Partner, {
      where: { ...(after && { id: MoreThan(after) }) },
      order: { id: 'asc' },
      take: limit + 1,
    });
    return pageOf(found, limit, (partner) => partner);
  }

  async change(tx: Tx, partner: Partner, change: PartnerChange): Promise<Partner> {
    const updatedAt = await databaseTime(tx);
    const version = partner.version + 1;
    const changed = tx.create(Partner, { ...partner, ...change, version, updatedAt });
    await tx.save(Partner, changed);
    return changed;
  }
}
