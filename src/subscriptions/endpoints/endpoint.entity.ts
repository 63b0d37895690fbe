import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { PayloadMode } from '../../events/catalog/fields.js';
import type { RetryScheduleName } from '../retry/retry-schedule.js';
import type { ContentType, Ordering } from './endpoint-settings.dto.js';
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

  /** With which mode of key it was made, and so which practices it may hear of; null: the operator's. */
  @Column('boolean', { nullable: true, select: false })
  sandbox: boolean | null;

  /** Its address and own headers, sealed: `openTargets` brings these two. */
  @Column('bytea')
  sealedTarget: Buffer;

  /** Null where what is sealed does not open. */
  url: string | null;

  /** The owner's own, sent with each webhook; they may be secrets. */
  headers: Record<string, string> | null;

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

  /** Conditions on an event's data; null lets all pass. */
  @Column('jsonb', { nullable: true })
  filter: Record<string, unknown> | null;

  @Column('text')
  contentType: ContentType;

  @Column('smallint', { nullable: true })
  timeoutSeconds: number | null;

  @Column('smallint', { nullable: true })
  maxConcurrency: number | null;

  @Column('int', { nullable: true })
  ratePerSecond: number | null;

  @Column('text')
  ordering: Ordering;

  @Column('text')
  retrySchedule: RetryScheduleName;

  @Column('boolean')
  excludeOwn: boolean;

  @Column('jsonb', { nullable: true })
  metadata: Record<string, string> | null;

  @Column('int')
  version: number;

  @Column('timestamptz')
  createdAt: Date;

  @Column('timestamptz')
  updatedAt: Date;

  @Column('timestamptz', { nullable: true })
  deletedAt: Date | null;
}
