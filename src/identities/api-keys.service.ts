import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { MoreThan } from 'typeorm';
import { scopeOfPractices } from '../database/scope.js';
import { ScopedReads } from '../database/scoped-reads.js';
import { v7 as uuidv7 } from 'uuid';
import { databaseTime, type Tx } from '../database/transactions.js';
import { endingOf, hashOfKey, scopes, spellKey } from '../platform/access/api-key.js';
import { afterId, limitOf, pageOf, type ListQuery, type Page } from '../platform/http/lists.js';
import { conflict, invalidField, notFound } from '../platform/http/problem.js';
import type { NewApiKey } from './api-key.dto.js';
import { ApiKey } from './api-key.entity.js';

/** Enough to rotate in every environment; each key that is forgotten is one more that can leak. */
const mostValidKeys = 50;

const insertSql = `
  insert into api_keys (id, owner, name, mode, key_hash, ending, scopes, created_at, expires_at)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`;

const countValidSql = `
  select count(*)::int as count from api_keys
  where owner = $1 and revoked_at is null and (expires_at is null or expires_at > clock_timestamp())`;

/** The keys of those who call the hub. A key itself is known to its owner alone. */
@Injectable()
export class ApiKeys {
  constructor(private readonly reads: ScopedReads) {}

  /**
   * Makes a key. The caller holds the owner's row.
   * @throws Problem 422 for an end that has passed; 409 where the owner has 50 valid keys.
   */
  async create(tx: Tx, owner: string, input: NewApiKey): Promise<{ apiKey: ApiKey; key: string }> {
    const { name, mode = 'live', scopes: wanted = [...scopes] } = input;
    const now = await databaseTime(tx);
    const expiresAt = input.expiresAt ? new Date(input.expiresAt) : null;
    if (expiresAt && expiresAt <= now) {
      throw invalidField('/expiresAt', 'in_the_past', 'expiresAt must lie in the future.');
    }
    const [{ count }] = await tx.query(countValidSql, [owner]);
    if (count >= mostValidKeys) {
      throw conflict('too_many_keys', `There are ${mostValidKeys} valid keys. Revoke one first.`);
    }
    const key = spellKey(mode, randomBytes(32));
    const id = uuidv7();
    const ending = endingOf(key);
    await tx.query(insertSql, [
      id,
      owner,
      name,
      mode,
      hashOfKey(key),
      ending,
      wanted,
      now,
      expiresAt,
    ]);
    const rest = { createdAt: now, expiresAt, revokedAt: null, lastUsedAt: null };
    return { apiKey: tx.create(ApiKey, { id, name, mode, ending, scopes: wanted, ...rest }), key };
  }

  /** In order of creation, the revoked ones among them. In its owner's scope, though the operator asks. */
  async list(owner: string, query: ListQuery): Promise<Page<ApiKey>> {
    const limit = limitOf(query);
    const after = afterId(query);
    const keys = await this.reads.within(scopeOfPractices([], owner)).find(ApiKey, {
      where: { owner, ...(after && { id: MoreThan(after) }) },
      order: { id: 'asc' },
      take: limit + 1,
    });
    return pageOf(keys, limit, (key) => key);
  }

  /** It opens nothing any more. Twice is once. @returns whether it did before @throws Problem 404 */
  async revoke(tx: Tx, owner: string, id: string): Promise<boolean> {
    const key = await tx.findOneBy(ApiKey, { id, owner });
    if (!key) throw notFound('key');
    if (key.revokedAt) return false;
    await tx.update(ApiKey, { id }, { revokedAt: await databaseTime(tx) });
    return true;
  }
}
