import { Injectable } from '@nestjs/common';
import { And, In, MoreThan, MoreThanOrEqual, type FindOperator } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { ScopedReads } from '../database/scoped-reads.js';
import { databaseTime, type Tx } from '../database/transactions.js';
import type { Cause } from '../events/outbox/outbox.js';
import { scopeOf, type Caller } from '../platform/access/caller.js';
import { assertMayAskFor, seen, type Sight } from '../platform/access/granted.js';
import { findByExternalId, practicesScope, replaceExternalIds } from '../platform/external-ids.js';
import {
  afterId,
  externalIdOf,
  limitOf,
  pageOf,
  type Page,
  type ResourceListQuery,
} from '../platform/http/lists.js';
import { invalidField, notFound } from '../platform/http/problem.js';
import type { NewPractice, NewReminderRule, PracticeChange } from './practice.dto.js';
import { Practice } from './practice.entity.js';
import { agreementsFault, requiresAgreements } from './practice.rules.js';
import { leadOf, type ReminderRule } from './reminder-rule.js';

const defaultRules: NewReminderRule[] = [{ leadMinutes: 30 }, { leadDays: 1 }];

/**
 * Told of a change in the transaction that makes it, so that what hangs on a practice's rules or clock changes
 * with it or not at all.
 */
export type PracticeObserver = (
  tx: Tx,
  cause: Cause,
  before: Practice,
  after: Practice,
) => Promise<void>;

@Injectable()
export class PracticesService {
  private readonly observers: PracticeObserver[] = [];

  constructor(private readonly reads: ScopedReads) {}

  /** For modules that depend on practices; practices depend on none of them. */
  observe(observer: PracticeObserver): void {
    this.observers.push(observer);
  }

  /** @throws Problem 422 */
  async create(tx: Tx, id: string, input: NewPractice): Promise<Practice> {
    const { kind, externalIds = [], sandbox = false, reminderRules = defaultRules } = input;
    refuse(agreementsFault(kind, input.requiresAgreements));
    const now = await databaseTime(tx);
    const practice = tx.create(Practice, {
      ...input,
      id,
      sandbox,
      requiresAgreements: requiresAgreements(kind, input.requiresAgreements),
      externalIds,
      reminderRules: withIds(reminderRules, []),
      version: 1,
      createdAt: now,
      updatedAt: now,
    });
    await replaceExternalIds(tx, practicesScope, 'practice', id, externalIds);
    await tx.insert(Practice, practice);
    return practice;
  }

  /** @throws Problem 404 */
  async get(id: string, tx: Tx = this.reads.ofPractice(id)): Promise<Practice> {
    const practice = await tx.findOneBy(Practice, { id });
    if (!practice) throw notFound('practice');
    return practice;
  }

  /** As much as a caller is shown. @throws Problem 404 */
  async read(caller: Caller, id: string): Promise<object> {
    return seen('practice', await this.get(id), sightOfPractices(caller));
  }

  /**
   * Those that a caller reaches, as much as it is shown; in order of creation.
   * @throws Problem 422 where a partner asks by a number that it is not shown
   */
  async list(caller: Caller, query: ResourceListQuery): Promise<Page<object>> {
    const { practices: within } = caller;
    const sight = sightOfPractices(caller);
    const limit = limitOf(query);
    const after = afterId(query);
    const external = externalIdOf(query);
    if (external) assertMayAskFor('externalId', 'practice', 'externalIds', [sight]);
    const manager = this.reads.within(scopeOf(caller));
    const found =
      external && (await findByExternalId(manager, practicesScope, 'practice', external));
    if (external && !found) return { data: [], nextCursor: null };
    const ids: FindOperator<string>[] = [
      ...(after ? [MoreThan(after)] : []),
      ...(found ? [In([found])] : []),
      ...(within ? [In([...within])] : []),
    ];
    const rows = await manager.find(Practice, {
      where: [
        {
          ...(ids.length > 0 && { id: And(...ids) }),
          ...(query.updatedSince && { updatedAt: MoreThanOrEqual(new Date(query.updatedSince)) }),
        },
      ],
      order: { id: 'asc' },
      take: limit + 1,
    });
    return pageOf(rows, limit, (practice) => seen('practice', practice, sight));
  }

  /** @throws Problem 422; whatever an observer refuses. */
  async change(
    tx: Tx,
    cause: Cause,
    practice: Practice,
    change: PracticeChange,
  ): Promise<Practice> {
    const { reminderRules, ...rest } = change;
    refuse(agreementsFault(practice.kind, change.requiresAgreements));
    const changed = tx.create(Practice, {
      ...practice,
      ...rest,
      reminderRules: reminderRules
        ? withIds(reminderRules, practice.reminderRules)
        : practice.reminderRules,
      version: practice.version + 1,
      updatedAt: await databaseTime(tx),
    });
    if (change.externalIds) {
      await replaceExternalIds(tx, practicesScope, 'practice', practice.id, change.externalIds);
    }
    await tx.save(Practice, changed);
    for (const observer of this.observers) await observer(tx, cause, practice, changed);
    return changed;
  }
}

/** To read what it is told a partner needs the same of every practice, however much it is granted. */
function sightOfPractices({ kind }: Caller): Sight {
  return kind === 'partner' ? 'minimum' : 'all';
}

function refuse(fault: ReturnType<typeof agreementsFault>): void {
  if (fault) throw invalidField(fault.pointer, fault.code, fault.detail);
}

/**
 * Rules with ids; a rule whose lead was there before keeps its id.
 * @throws Problem 422 for a rule without a lead, with two, or with the lead of another.
 */
function withIds(rules: NewReminderRule[], before: ReminderRule[]): ReminderRule[] {
  const leads = new Set<string>();
  return rules.map((rule, i) => {
    const pointer = `/reminderRules/${i}`;
    if ((rule.leadMinutes === undefined) === (rule.leadDays === undefined)) {
      throw invalidField(pointer, 'one_lead', 'Give either leadMinutes or leadDays.');
    }
    if (rule.at !== undefined && rule.leadDays === undefined) {
      throw invalidField(`${pointer}/at`, 'at_needs_days', 'at goes with leadDays only.');
    }
    const lead = leadOf(rule);
    if (leads.has(lead)) {
      throw invalidField(pointer, 'repeated_lead', 'Another rule has the same lead.');
    }
    leads.add(lead);
    const id = before.find((other) => leadOf(other) === lead)?.id ?? uuidv7();
    return { ...rule, id, onLate: rule.onLate ?? 'nearest' };
  });
}
