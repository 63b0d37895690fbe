import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Tx } from '../database/transactions.js';
import { hashOfKey, spellToken } from '../platform/access/api-key.js';
import { reaches, type Caller } from '../platform/access/caller.js';
import { conflict, Problem, type ProblemError } from '../platform/http/problem.js';
import { defaultTokenSeconds, type CreatedToken, type NewToken } from './token.dto.js';

/** Enough for every open page of a practice's; what a key can leave behind in the table is bounded. */
const mostValidTokens = 10_000;

// One statement, so that the limit costs no round trip. It is no exact one: mints at the same moment do not wait for
// each other.
const mintSql = `
  insert into access_tokens (token_hash, key_hash, scopes, practice_ids, created_at, expires_at)
  select $1, $2, $3, $4, now.at, now.at + make_interval(secs => $5)
  from (select clock_timestamp()::timestamptz(3) as at) as now
  where (select count(*) from (
    select from access_tokens where key_hash = $2 and expires_at > clock_timestamp() limit $6) as valid) < $6
  returning expires_at`;

/** Short-lived tokens, for what may not hold a key: browsers, and streams that a browser opens. */
@Injectable()
export class Tokens {
  /**
   * A token with rights of the caller's, or fewer.
   * @param key the one that the caller called with; the token opens nothing once that does not
   * @throws Problem 422 for a scope or practice that the key has not, 409 where it has 10,000 valid tokens.
   */
  async mint(tx: Tx, caller: Caller, key: Buffer, input: NewToken): Promise<CreatedToken> {
    const { scopes = [...caller.scopes], practiceIds } = input;
    assertWithin(caller, input);
    const token = spellToken(randomBytes(32));
    const seconds = input.expiresInSeconds ?? defaultTokenSeconds;
    const rows: { expires_at: Date }[] = await tx.query(mintSql, [
      hashOfKey(token),
      key,
      scopes,
      practiceIds?.map((id) => id.toLowerCase()) ?? null,
      seconds,
      mostValidTokens,
    ]);
    const [row] = rows;
    if (!row) {
      throw conflict(
        'too_many_tokens',
        `This key has ${mostValidTokens} valid tokens. Use one of them, or wait until some have ended.`,
      );
    }
    return { token, expiresAt: row.expires_at };
  }
}

function assertWithin(caller: Caller, { scopes = [], practiceIds = [] }: NewToken): void {
  const errors: ProblemError[] = [];
  scopes.forEach((scope, i) => {
    if (caller.scopes.includes(scope)) return;
    errors.push({
      pointer: `/scopes/${i}`,
      code: 'scope_missing',
      detail: 'The key itself has not this scope.',
    });
  });
  if (caller.practices === null && practiceIds.length > 0) {
    errors.push({
      pointer: '/practiceIds',
      code: 'not_for_operator',
      detail: 'The operator reaches all practices. Make an application for some of them.',
    });
  } else {
    practiceIds.forEach((id, i) => {
      if (reaches(caller, id.toLowerCase())) return;
      // Whether it exists is not for those to know who do not reach it.
      const detail = 'There is no such practice.';
      errors.push({ pointer: `/practiceIds/${i}`, code: 'unknown_practice', detail });
    });
  }
  if (errors.length === 0) return;
  throw new Problem(422, 'validation_failed', 'The request is understood but not valid.', {
    errors,
  });
}
