import { Injectable } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { ScopedReads } from '../database/scoped-reads.js';
import type { PayloadMode } from '../events/catalog/fields.js';
import { scopeOf, type Caller } from '../platform/access/caller.js';
import { limitOf, type Page } from '../platform/http/lists.js';
import { invalidParameter, notFound } from '../platform/http/problem.js';
import type { DisclosureListQuery, DisclosureResource, DisclosureWay } from './disclosure.dto.js';
import type { Shown } from './shown.rules.js';
import { disclosuresSql, notePageSql, subjectSql } from './sql/disclosures.js';

/** How many are read at a time for an export. */
const pieceSize = 500;

interface Subject {
  practiceId: string;
  patientId: string;
  accounts: string[];
}

/** Where a page begins: below this one. */
interface Place {
  at: string;
  id: string;
}

const top: Place = { at: 'infinity', id: 'ffffffff-ffff-ffff-ffff-ffffffffffff' };

interface DisclosureRow {
  id: string;
  at: Date;
  how: DisclosureWay;
  confirmed: boolean;
  what: string;
  mode: PayloadMode;
  partner_id: string;
  partner_name: string | null;
  grant_id: string | null;
  purpose: string | null;
  agreement_reference: string | null;
  event_id: string | null;
  endpoint_id: string | null;
  delivery_id: string | null;
  account_id: string | null;
  correlation_id: string | null;
  on_behalf_of: string | null;
}

/**
 * The account of what was disclosed about patients (45 CFR 164.528). What webhooks disclose is recorded with their
 * results, by the engine.
 */
@Injectable()
export class Disclosures {
  constructor(private readonly reads: ScopedReads) {}

  /**
   * Notes what a partner is about to be shown; of other callers, who work for the practice itself, nothing. Committed
   * when it resolves: answer after that, so that nothing is shown that is not on record.
   * @returns how much of each, and what for
   */
  async read(
    caller: Caller,
    how: 'fetch' | 'feed',
    correlationId: string,
    shown: readonly Shown[],
  ): Promise<Pick<DisclosureRow, 'mode' | 'purpose'>[]> {
    const { kind, actor, onBehalfOf } = caller;
    if (kind !== 'partner' || shown.length === 0) return [];
    return this.reads
      .within(scopeOf(caller))
      .query(notePageSql, [
        actor.slice('partners/'.length),
        how,
        correlationId,
        onBehalfOf ?? null,
        shown.map(({ practiceId }) => practiceId),
        shown.map(({ patientId }) => patientId),
        shown.map(({ accountId }) => accountId),
        shown.map(({ what }) => what),
        shown.map(({ types }) => types.join()),
        shown.map(({ mode }) => mode),
        shown.map(({ eventId }) => eventId),
      ]);
  }

  /** Newest first. Also of a patient who was deleted or erased. @throws Problem 404, 422 */
  async list(
    practiceId: string,
    patientId: string,
    query: DisclosureListQuery,
  ): Promise<Page<DisclosureResource>> {
    const limit = limitOf(query);
    const below = query.after === undefined ? top : placeOf(query.after);
    const subject = await this.subject(practiceId, patientId);
    const rows = await this.rows(subject, query, below, limit + 1);
    const shown = rows.slice(0, limit);
    const last = rows.length > limit ? shown.at(-1) : undefined;
    return { data: shown.map(toResource), nextCursor: last ? toCursor(last) : null };
  }

  /**
   * All of them, read piece by piece as somebody takes them; no transaction stays open meanwhile.
   * @throws Problem 404 before the first one, 422
   */
  async export(
    practiceId: string,
    patientId: string,
    query: DisclosureListQuery,
  ): Promise<AsyncGenerator<DisclosureResource>> {
    const below = query.after === undefined ? top : placeOf(query.after);
    return this.pieces(await this.subject(practiceId, patientId), query, below);
  }

  private async *pieces(
    subject: Subject,
    query: DisclosureListQuery,
    below: Place,
  ): AsyncGenerator<DisclosureResource> {
    for (;;) {
      const rows = await this.rows(subject, query, below, pieceSize);
      yield* rows.map(toResource);
      if (rows.length < pieceSize) return;
      const last = rows.at(-1)!;
      below = { at: last.at.toISOString(), id: last.id };
    }
  }

  private async subject(practiceId: string, patientId: string): Promise<Subject> {
    const [row]: { accounts: string[] }[] = await this.reads
      .ofPractice(practiceId)
      .query(subjectSql, [practiceId, patientId]);
    if (!row) throw notFound('patient');
    return { practiceId, patientId, accounts: row.accounts };
  }

  private rows(
    { practiceId, patientId, accounts }: Subject,
    { from = '-infinity', to = 'infinity' }: DisclosureListQuery,
    below: Place,
    limit: number,
  ): Promise<DisclosureRow[]> {
    const values = [practiceId, patientId, accounts, from, to, below.at, below.id, limit];
    return this.reads.ofPractice(practiceId).query(disclosuresSql, values);
  }
}

function toCursor({ at, id }: DisclosureRow): string {
  return Buffer.from(`${at.toISOString()} ${id}`).toString('base64url');
}

function placeOf(cursor: string): Place {
  const [at = '', id = '', ...more] = Buffer.from(cursor, 'base64url').toString().split(' ');
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(at) && !isNaN(Date.parse(at));
  if (!isTime || !isUUID(id) || more.length > 0) {
    throw invalidParameter('after', 'unknown_cursor', 'after must be a nextCursor of this list.');
  }
  return { at, id };
}

function toResource(row: DisclosureRow): DisclosureResource {
  return {
    id: row.id,
    at: row.at,
    recipient: { kind: 'partner', id: row.partner_id, name: row.partner_name },
    how: row.how,
    confirmed: row.confirmed,
    what: row.what,
    mode: row.mode,
    purpose: row.purpose,
    grantId: row.grant_id,
    agreementReference: row.agreement_reference,
    ...(row.event_id && { eventId: row.event_id }),
    ...(row.endpoint_id && { endpointId: row.endpoint_id }),
    ...(row.delivery_id && { deliveryId: row.delivery_id }),
    ...(row.account_id && { accountId: row.account_id }),
    ...(row.correlation_id && { correlationId: row.correlation_id }),
    ...(row.on_behalf_of && { onBehalfOf: row.on_behalf_of }),
  };
}
