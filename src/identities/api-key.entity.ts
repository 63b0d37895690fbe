import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { KeyMode, Scope } from '../platform/access/api-key.js';

/** A key without what it was made of: its digest is left out, so that it cannot be shown or logged by mistake. */
@Entity('api_keys')
export class ApiKey {
  @PrimaryColumn('uuid')
  id: string;

  /** As events spell an actor: `applications/{id}`, `partners/{id}`. */
  @Column('text', { select: false })
  owner: string;

  @Column('text')
  name: string;

  @Column('text')
  mode: KeyMode;

  @Column('text')
  ending: string;

  @Column('text', { array: true })
  scopes: Scope[];

  @Column('timestamptz')
  createdAt: Date;

  @Column('timestamptz', { nullable: true })
  expiresAt: Date | null;

  @Column('timestamptz', { nullable: true })
  revokedAt: Date | null;

  @Column('timestamptz', { nullable: true })
  lastUsedAt: Date | null;
}
