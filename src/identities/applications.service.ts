import { Injectable } from '@nestjs/common';
import { MoreThan, type EntityManager } from 'typeorm';
import { ScopedReads } from '../database/scoped-reads.js';
import { databaseTime, type Tx } from '../database/transactions.js';
import { scopeOf, type Caller } from '../platform/access/caller.js';
import { afterId, limitOf, pageOf, type ListQuery, type Page } from '../platform/http/lists.js';
import { notFound, Problem } from '../platform/http/problem.js';
import type { ApplicationChange, ApplicationResource, NewApplication } from './application.dto.js';
import { Application } from './application.entity.js';
import {
  practicesOfSql,
  reachAnewSql,
  setPracticesSql,
  unknownPracticesSql,
} from './sql/application-practices.js';

/**
 * Applications are of no practice, and the operator's alone to see: row-level security holds back which practices they
 * reach, and not that they are there.
 */
@Injectable()
export class ApplicationsService {
  constructor(private readonly reads: ScopedReads) {}

  /** @throws Problem 422 for a practice that does not exist. */
  async create(
    tx: Tx,
    id: string,
    { name, practiceIds }: NewApplication,
  ): Promise<ApplicationResource> {
    await assertPractices(tx, practiceIds);
    const now = await databaseTime(tx);
    const application = tx.create(Application, {
      id,
      name,
      version: 1,
      createdAt: now,
      updatedAt: now,
    });
    await tx.insert(Application, application);
    await tx.query(setPracticesSql, [id, practiceIds]);
    return this.show(tx, application);
  }

  /** @throws Problem 404 */
  async get(caller: Caller, id: string): Promise<ApplicationResource> {
    const manager = this.reads.within(scopeOf(caller));
    const application = await manager.findOneBy(Application, { id });
    if (!application) throw notFound('application');
    return this.show(manager, application);
  }

  /** Held until the transaction ends. @throws Problem 404 */
  async lock(tx: Tx, id: string): Promise<Application> {
    const application = await tx.findOne(Application, {
      where: { id },
      lock: { mode: 'for_no_key_update' },
    });
    if (!application) throw notFound('application');
    return application;
  }

  /** In order of creation. */
  async list(caller: Caller, query: ListQuery): Promise<Page<ApplicationResource>> {
    const manager = this.reads.within(scopeOf(caller));
    const limit = limitOf(query);
    const after = afterId(query);
    const found = await manager.find(Application, {
      where: { ...(after && { id: MoreThan(after) }) },
      order: { id: 'asc' },
      take: limit + 1,
    });
    const practices = await practicesOf(
      manager,
      found.map(({ id }) => id),
    );
    return pageOf(found, limit, (application) => ({
      ...application,
      practiceIds: practices.get(application.id) ?? [],
    }));
  }

  /**
   * What is left out of `practiceIds` is out of reach with this transaction's commit, for its endpoints too.
   * @throws Problem 422 as `create`
   */
  async change(
    tx: Tx,
    application: Application,
    change: ApplicationChange,
  ): Promise<ApplicationResource> {
    const { practiceIds, ...rest } = change;
    if (practiceIds) await assertPractices(tx, practiceIds);
    const changed = tx.create(Application, {
      ...application,
      ...rest,
      version: application.version + 1,
      updatedAt: await databaseTime(tx),
    });
    await tx.save(Application, changed);
    if (practiceIds) {
      await tx.query(setPracticesSql, [application.id, practiceIds]);
      await tx.query(reachAnewSql);
    }
    return this.show(tx, changed);
  }

  private async show(tx: Tx, application: Application): Promise<ApplicationResource> {
    const practices = await practicesOf(tx, [application.id]);
    return { ...application, practiceIds: practices.get(application.id) ?? [] };
  }
}

async function practicesOf(
  manager: EntityManager,
  applicationIds: readonly string[],
): Promise<Map<string, string[]>> {
  const rows: { id: string; practices: string[] }[] = await manager.query(practicesOfSql, [
    applicationIds,
  ]);
  return new Map(rows.map(({ id, practices }) => [id, practices]));
}

async function assertPractices(tx: Tx, practiceIds: readonly string[]): Promise<void> {
  const unknown: { place: number }[] = await tx.query(unknownPracticesSql, [practiceIds]);
  if (unknown.length === 0) return;
  throw new Problem(422, 'validation_failed', 'The request is understood but not valid.', {
    errors: unknown.map(({ place }) => ({
      pointer: `/practiceIds/${place - 1}`,
      code: 'unknown_practice',
      detail: 'There is no such practice.',
    })),
  });
}
