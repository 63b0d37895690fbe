import { Injectable } from '@nestjs/common';
import { EnginePool } from '../../database/engine-pool.js';
import type { Scope } from './api-key.js';

const mostKept = 10_000;
/** What opens nothing is asked for again after this. */
const unknownMs = 2000;

const tokenSql = `
  select key_hash, scopes, practice_ids::text[] as practice_ids,
         (extract(epoch from expires_at - clock_timestamp()) * 1000)::float8 as ends_in_ms
  from access_tokens where token_hash = $1 and expires_at > clock_timestamp()`;

/** What a token is good for, as long as the key that it was minted from opens the API. */
export interface Token {
  keyDigest: Buffer;
  /** The digest as the name of what is counted or remembered of that key. */
  keyName: string;
  scopes: Scope[];
  practiceIds: string[] | null;
}

interface TokenRow {
  key_hash: Buffer;
  scopes: Scope[];
  practice_ids: string[] | null;
  ends_in_ms: number;
}

/**
 * The short-lived tokens. They are kept as digests instead of being signed: whoever reads the database cannot make
 * one, and there is no signing key to keep secret and to rotate. A token never changes, so that one look is enough for
 * its life; whether its key still opens anything is the key ring's to say, at every call. As with keys, there is no scope
 * to look for it in.
 */
@Injectable()
export class TokenRing {
  private readonly kept = new Map<string, { token?: Token; until: number }>();
  private readonly looks = new Map<string, Promise<Token | undefined>>();

  constructor(private readonly pool: EnginePool) {}

  /** The token of this digest; undefined where there is none, or none any more. */
  async find(digest: Buffer, name: string): Promise<Token | undefined> {
    const kept = this.kept.get(name);
    if (kept && kept.until > performance.now()) return kept.token;
    const running = this.looks.get(name);
    if (running) return running;
    const look = this.read(digest, name).finally(() => this.looks.delete(name));
    this.looks.set(name, look);
    return look;
  }

  knows(name: string): boolean {
    return this.kept.get(name)?.token !== undefined;
  }

  private async read(digest: Buffer, name: string): Promise<Token | undefined> {
    this.kept.delete(name);
    const asked = performance.now();
    const { rows } = await this.pool.query<TokenRow>({
      name: 'access-token',
      text: tokenSql,
      values: [digest],
    });
    const [row] = rows;
    const token = row && {
      keyDigest: row.key_hash,
      keyName: row.key_hash.toString('base64'),
      scopes: row.scopes,
      practiceIds: row.practice_ids,
    };
    if (this.kept.size >= mostKept) this.kept.clear();
    this.kept.set(name, { token, until: asked + (row?.ends_in_ms ?? unknownMs) });
    return token;
  }
}
