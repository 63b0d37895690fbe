import { Injectable } from '@nestjs/common';
import { scopeOfPractices } from '../database/scope.js';
import { ScopedReads } from '../database/scoped-reads.js';
import { idFloor } from '../database/time-ids.js';
import { reaches, scopeOf, type Caller } from '../platform/access/caller.js';
import { afterId, limitOf, pageOf, type Page } from '../platform/http/lists.js';
import { notFound } from '../platform/http/problem.js';
import type { AuditQuery } from './audit.dto.js';
import { entryFromRow, type AuditEntry, type EntryRow } from './audit-entry.js';
import { allSql, ofActorSql, ofPracticesSql } from './sql/read.js';

const exportedAtOnce = 500;
const firstId = '00000000-0000-0000-0000-000000000000';
const lastId = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** What a question comes down to. */
interface Range {
  after: string;
  before: string;
  actor: string | null;
  /** Null: of all, and of none. */
  practiceIds: string[] | null;
}

/** The trail, as far as it is the caller's: all of it for the operator, for others what concerns their practices. */
@Injectable()
export class AuditService {
  constructor(private readonly reads: ScopedReads) {}

  /** In order of writing. @throws Problem 404 for a practice that the caller does not reach. */
  async list(caller: Caller, query: AuditQuery): Promise<Page<AuditEntry>> {
    const limit = limitOf(query);
    return pageOf(
      await this.read(caller, rangeOf(caller, query), limit + 1),
      limit,
      (entry) => entry,
    );
  }

  /**
   * All of it, to the end as it is when that is reached. Reads a page when the one before has gone out, and holds no
   * connection in between.
   * @throws Problem as `list`, before the first entry
   */
  export(caller: Caller, query: AuditQuery): AsyncGenerator<AuditEntry> {
    return this.pages(caller, rangeOf(caller, query));
  }

  private async *pages(caller: Caller, range: Range): AsyncGenerator<AuditEntry> {
    for (let { after } = range; ;) {
      const entries = await this.read(caller, { ...range, after }, exportedAtOnce);
      yield* entries;
      if (entries.length < exportedAtOnce) return;
      after = entries.at(-1)!.id;
    }
  }

  private async read(
    caller: Caller,
    { after, before, actor, practiceIds }: Range,
    limit: number,
  ): Promise<AuditEntry[]> {
    const values: unknown[] = [after, before, actor, limit];
    const scope = scopeOf(caller);
    // No more than what is asked for: the database compares each entry with all that is in scope.
    const rows = practiceIds
      ? await this.reads.steady<EntryRow>(
          scopeOfPractices(practiceIds, scope.actor),
          ofPracticesSql,
          [...values, practiceIds],
        )
      : await this.reads.steady<EntryRow>(scope, actor === null ? allSql : ofActorSql, values);
    return rows.map(entryFromRow);
  }
}

function rangeOf(caller: Caller, query: AuditQuery): Range {
  const { actor = null, practiceId, from, to } = query;
  if (practiceId !== undefined && !reaches(caller, practiceId.toLowerCase())) {
    throw notFound('practice');
  }
  const given = afterId(query) ?? firstId;
  const begin = from === undefined ? firstId : idFloor(from);
  return {
    after: given > begin ? given : begin,
    before: to === undefined ? lastId : idFloor(to),
    actor,
    practiceIds: practiceId
      ? [practiceId.toLowerCase()]
      : caller.practices && [...caller.practices],
  };
}
