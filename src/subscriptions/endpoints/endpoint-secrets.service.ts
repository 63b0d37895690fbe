import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Tx } from '../../database/transactions.js';
import { conflict } from '../../platform/http/problem.js';
import { bindingOfSecret } from '../../sealing/bindings.js';
import { DataKeys } from '../../sealing/data-keys.js';
import { newSigningKey, type NewSigningKey, type SigningKind } from '../signing/signing-key.js';
import {
  defaultOverlapSeconds,
  type SecretRotation,
  type SigningKeyResource,
} from './endpoint-secrets.dto.js';
import type { Endpoint } from './endpoint.entity.js';
import { forgetKeysSql, rotateKeySql, signingKeysSql } from './sql/endpoint-secrets.js';

/** Every key is one more signature on every webhook; an ed25519 one takes as long as fifteen by HMAC. */
const mostFormerKeys = 5;

interface KeyRow {
  endpoint_id: string;
  kind: SigningKind;
  public_key: string | null;
  created_at: Date;
  expires_at: Date | null;
}

/** The keys of some endpoints that are valid now, without their secrets; the current one first. */
export async function signingKeysOf(
  tx: Tx,
  endpointIds: readonly string[],
): Promise<Map<string, SigningKeyResource[]>> {
  const rows: KeyRow[] = await tx.query(signingKeysSql, [endpointIds]);
  const keys = new Map<string, SigningKeyResource[]>(endpointIds.map((id) => [id, []]));
  for (const { endpoint_id, kind, public_key, created_at, expires_at } of rows) {
    keys.get(endpoint_id)!.push({
      kind,
      ...(public_key !== null && { publicKey: public_key }),
      createdAt: created_at,
      expiresAt: expires_at,
    });
  }
  return keys;
}

export interface Rotation {
  key: NewSigningKey;
  /** When the last former key ends; null where none was left to go on. */
  overlapEndsAt: Date | null;
}

@Injectable()
export class EndpointSecrets {
  constructor(private readonly keys: DataKeys) {}

  /**
   * Gives an endpoint, which the caller holds, a new current key. Former ones go on signing for the overlap.
   * @throws Problem 409 where too many former keys would overlap. None is ended early to make room: a receiver that
   *   still knows only that one would refuse every webhook from then on, and nobody had asked for it.
   */
  async rotate(
    tx: Tx,
    { id }: Endpoint,
    { overlapSeconds = defaultOverlapSeconds, kind }: SecretRotation,
  ): Promise<Rotation> {
    await tx.query(forgetKeysSql, [id, false]);
    const [current, ...former] = (await signingKeysOf(tx, [id])).get(id)!;
    if (overlapSeconds === 0) await tx.query(forgetKeysSql, [id, true]);
    else if (former.length >= mostFormerKeys) throw tooManyKeys(former);
    const key = newSigningKey(kind ?? current?.kind ?? 'hmac', randomBytes(32));
    const [{ overlap_ends_at: overlapEndsAt }] = await tx.query(rotateKeySql, [
      id,
      overlapSeconds,
      key.kind,
      this.keys.own.seal(key.secret, bindingOfSecret(id)),
      key.publicKey,
    ]);
    return { key, overlapEndsAt };
  }
}

function tooManyKeys(former: readonly SigningKeyResource[]): Error {
  const ends = former.map(({ expiresAt }) => expiresAt!.getTime());
  return conflict(
    'too_many_signing_keys',
    `Webhooks are signed with ${mostFormerKeys} former keys already. Wait until one has ended, or rotate with overlapSeconds 0, which ends all of them at once.`,
    { nextExpiresAt: new Date(Math.min(...ends)).toISOString() },
  );
}
