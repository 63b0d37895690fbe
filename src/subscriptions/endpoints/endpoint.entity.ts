import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { PayloadMode } from '../../events/catalog/fields.js';
import type { Ownership } from './ownership.rules.js';

/**
 * Where webhooks go, and which. The secret and the position it begins at are left out: only the engine reads them,
 * and what is not read here cannot be shown or logged by mistake.
 */
@Entity('endpoints')
export class Endpoint {
  @PrimaryColumn('uuid')
  id: string;

  @Column('text')
  owner: string;

  @Column('text')
  url: string;

  /** Names of the catalogue, `family.*` or `*`. */
  @Column('text', { array: true })
  eventTypes: string[];

  /** Null: every practice its owner may see. */
  @Column('uuid', { array: true, nullable: true })
  practiceIds: string[] | null;

  @Column('text')
  payloadMode: PayloadMode;

  @Column('boolean')
  enabled: boolean;

  @Column('text', { nullable: true })
  description: string | null;

  /** Why the hub disabled it; null where its owner did. */
  @Column('text', { nullable: true })
  disabledReason: string | null;

  @Column('text')
  ownership: Ownership;

  @Column('int')
  version: number;

  @Column('timestamptz')
  createdAt: Date;

  @Column('timestamptz')
  updatedAt: Date;

  @Column('timestamptz', { nullable: true })
  deletedAt: Date | null;
}
