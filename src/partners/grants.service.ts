import { Injectable, type OnModuleInit } from '@nestjs/common';
import { In, MoreThan, MoreThanOrEqual, type EntityManager, type FindOptionsWhere } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { ScopedReads } from '../database/scoped-reads.js';
import { databaseTime, type Tx } from '../database/transactions.js';
import { Outbox, type AnyNewEvent, type Cause } from '../events/outbox/outbox.js';
import { reachAnewSql } from '../identities/sql/application-practices.js';
import { scopeOf, type Caller } from '../platform/access/caller.js';
import { afterId, limitOf, pageOf, type Page } from '../platform/http/lists.js';
import { conflict, invalidField, notFound, Problem } from '../platform/http/problem.js';
import type { Practice } from '../practices/practice.entity.js';
import { PracticesService } from '../practices/practices.service.js';
import type { GrantChange, GrantListQuery, NewGrant, PracticeGrantListQuery } from './grant.dto.js';
import { Grant, isOpen } from './grant.entity.js';
import { grantEvents, type Audience } from './grant.events.js';
import { changedTerms, termsFaults, type Terms } from './grant.rules.js';
import { Partner } from './partner.entity.js';
import { applicationsOfSql, bareGrantsSql, openGrantsSql } from './sql/grants.js';

/** Whoever looks a partner's key up reads all of its open grants. */
const mostOpenGrants = 100;

/**
 * What practices let partners hear of and read. The practice's lock orders its changes; each is told to the partner
 * and the practice's own applications in its transaction, and makes every hub look anew at what endpoints may hear.
 */
@Injectable()
export class GrantsService implements OnModuleInit {
  constructor(
    private readonly reads: ScopedReads,
    private readonly practices: PracticesService,
    private readonly outbox: Outbox,
  ) {}

  onModuleInit(): void {
    this.practices.observe(async (tx, _cause, before, after) => {
      if (after.requiresAgreements && !before.requiresAgreements) await assertNoBare(tx, after);
    });
  }

  /** @throws Problem 404 for an unknown practice; 422 for what the rules refuse; 409 for one grant too many. */
  async create(tx: Tx, cause: Cause, practiceId: string, input: NewGrant): Promise<Grant> {
    const practice = await this.practices.get(practiceId, tx);
    const now = await databaseTime(tx);
    const terms = {
      eventTypes: input.eventTypes,
      payloadMode: input.payloadMode,
      readMode: input.readMode,
      agreementReference: input.agreementReference ?? null,
      purpose: input.purpose ?? null,
      startsAt: input.startsAt ? new Date(input.startsAt) : now,
      expiresAt: input.expiresAt ? new Date(input.expiresAt) : null,
    };
    refuse(terms, practice, now);
    const partnerId = input.partnerId.toLowerCase();
    if (!(await tx.existsBy(Partner, { id: partnerId }))) {
      throw invalidField('/partnerId', 'unknown_partner', 'There is no such partner.');
    }
    const [{ count }] = await tx.query(openGrantsSql, [practiceId, partnerId]);
    if (count >= mostOpenGrants) {
      const detail = `The practice has ${mostOpenGrants} open grants for this partner. Change or revoke one.`;
      throw conflict('too_many_grants', detail);
    }
    const id = uuidv7();
    const { sandbox } = practice;
    const rest = { sandbox, version: 1, createdAt: now, updatedAt: now };
    await tx.insert(Grant, { id, practiceId, partnerId, ...terms, ...rest });
    const grant = await this.get({ id }, tx);
    this.outbox.say(
      tx,
      cause,
      grantEvents('grant.created', grant, await audienceOf(tx, grant), {}),
    );
    await tx.query(reachAnewSql);
    return grant;
  }

  /** One of a practice's. @throws Problem 404 */
  getOfPractice(practiceId: string, id: string): Promise<Grant> {
    return this.get({ practiceId, id }, this.reads.ofPractice(practiceId));
  }

  /** @throws Problem 404 */
  async get(where: FindOptionsWhere<Grant>, tx: EntityManager): Promise<Grant> {
    const grant = await tx.findOneBy(Grant, where);
    if (!grant) throw notFound('grant');
    return grant;
  }

  /** The grants of one practice, open and ended, in order of creation. @throws Problem 404 for an unknown one. */
  async listOfPractice(practiceId: string, query: PracticeGrantListQuery): Promise<Page<Grant>> {
    await this.practices.get(practiceId);
    const { partnerId } = query;
    const where = { practiceId, ...(partnerId && { partnerId }) };
    return this.page(this.reads.ofPractice(practiceId), query, where);
  }

  /** Those that a caller may know of, open and ended, in order of creation. */
  list(caller: Caller, query: GrantListQuery): Promise<Page<Grant>> {
    return this.page(this.reads.within(scopeOf(caller)), query, withinReach(caller));
  }

  /** One that a caller may know of. @throws Problem 404 */
  getFor(caller: Caller, id: string): Promise<Grant> {
    return this.get({ ...withinReach(caller), id }, this.reads.within(scopeOf(caller)));
  }

  /** A change that changes nothing makes no version and no event. @throws Problem 409 for one that has ended; 422. */
  async change(tx: Tx, cause: Cause, grant: Grant, change: GrantChange): Promise<Grant> {
    assertOpen(grant);
    const { expiresAt, ...rest } = change;
    const after: Grant = { ...grant, ...rest };
    if (expiresAt !== undefined) after.expiresAt = expiresAt === null ? null : new Date(expiresAt);
    const changedFields = changedTerms(grant, after);
    if (changedFields.length === 0) return grant;
    const now = await databaseTime(tx);
    refuse(after, await this.practices.get(grant.practiceId, tx), now);
    const columns = Object.fromEntries(changedFields.map((name) => [name, after[name]]));
    const changed = await this.write(tx, grant, columns, now);
    const audience = await audienceOf(tx, grant);
    return this.told(
      tx,
      cause,
      changed,
      grantEvents('grant.changed', changed, audience, { changedFields }),
    );
  }

  /**
   * It opens nothing any more. Twice is once.
   * @returns whether it did before
   * @throws Problem 409 for one that has expired.
   */
  async revoke(tx: Tx, cause: Cause, grant: Grant): Promise<boolean> {
    if (grant.status === 'revoked') return false;
    assertOpen(grant);
    const revokedAt = await databaseTime(tx);
    const revoked = await this.write(tx, grant, { revokedAt }, revokedAt);
    const extra = { revokedAt: revokedAt.toISOString() };
    const audience = await audienceOf(tx, grant);
    await this.told(tx, cause, revoked, grantEvents('grant.revoked', revoked, audience, extra));
    return true;
  }

  private async write(tx: Tx, { id, version }: Grant, columns: Partial<Grant>, updatedAt: Date) {
    await tx.update(Grant, { id }, { ...columns, version: version + 1, updatedAt });
    return this.get({ id }, tx);
  }

  /** Says what became of a grant, and makes every hub look anew. */
  private async told(tx: Tx, cause: Cause, grant: Grant, events: AnyNewEvent[]): Promise<Grant> {
    this.outbox.say(tx, cause, events);
    await tx.query(reachAnewSql);
    return grant;
  }

  private async page(
    manager: EntityManager,
    query: GrantListQuery,
    where: FindOptionsWhere<Grant>,
  ): Promise<Page<Grant>> {
    const limit = limitOf(query);
    const after = afterId(query);
    const { updatedSince } = query;
    const grants = await manager.find(Grant, {
      where: {
        ...where,
        ...(after && { id: MoreThan(after) }),
        ...(updatedSince && { updatedAt: MoreThanOrEqual(new Date(updatedSince)) }),
      },
      order: { id: 'asc' },
      take: limit + 1,
    });
    return pageOf(grants, limit, (grant) => grant);
  }
}

/**
 * A partner's own, with a test key those of sandboxes; an application's practices'; the operator's all. With a token of
 * fewer practices than its key only theirs.
 */
function withinReach({ kind, actor, practices, sandbox, token }: Caller): FindOptionsWhere<Grant> {
  if (practices === null) return {};
  const ofPractices = { practiceId: In([...practices]) };
  if (kind !== 'partner') return ofPractices;
  return {
    partnerId: actor.slice('partners/'.length),
    ...(sandbox !== null && { sandbox }),
    ...(token === 'narrowed' && ofPractices),
  };
}

function refuse(terms: Terms, { requiresAgreements }: Practice, now: Date): void {
  const errors = termsFaults(terms, requiresAgreements, now);
  if (errors.length === 0) return;
  throw new Problem(422, 'validation_failed', 'The request is understood but not valid.', {
    errors,
  });
}

function assertOpen(grant: Grant): void {
  if (isOpen(grant)) return;
  throw conflict('grant_ended', 'This grant has ended. Make another one.', {
    grantStatus: grant.status,
  });
}

async function assertNoBare(tx: Tx, practice: Practice): Promise<void> {
  const bare: { id: string }[] = await tx.query(bareGrantsSql, [practice.id]);
  if (bare.length === 0) return;
  throw conflict(
    'grants_without_agreement',
    'Some grants have no agreementReference, purpose or expiresAt. Complete or revoke them first.',
    { grantIds: bare.map(({ id }) => id) },
  );
}

async function audienceOf(tx: Tx, { practiceId }: Grant): Promise<Audience> {
  const [{ sandbox, applications }] = await tx.query(applicationsOfSql, [[practiceId]]);
  return { sandbox, applicationIds: applications };
}
