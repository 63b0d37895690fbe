import { ApiProperty } from '@nestjs/swagger';
import { Flag, Int, OneOf } from '../../platform/http/fields.js';
import { JsonObject } from '../../platform/http/json-object.js';
import { filterHelp } from '../filter/filter-rules.js';
import { RETRY_SCHEDULES, type RetryScheduleName } from '../retry/retry-schedule.js';

export const contentTypes = ['application/json', 'application/cloudevents+json'] as const;
export type ContentType = (typeof contentTypes)[number];

export const orderings = ['none', 'subject', 'practice'] as const;
export type Ordering = (typeof orderings)[number];

const scheduleNames = Object.keys(RETRY_SCHEDULES) as RetryScheduleName[];

const help = {
  filter: filterHelp,
  headers:
    'Sent with every webhook: at most 20, names and values together at most 8192 characters. Not what the hub itself sends (`webhook-*`, `hub-*`, `ce-*`, `content-type`, `user-agent`) and not what belongs to the connection. The answer to a repetition under the same Idempotency-Key leaves them out.',
  contentType:
    'Of the webhooks. The body is the same; most web frameworks parse only `application/json`, CloudEvents SDKs want the other. Default: application/json.',
  timeoutSeconds:
    'How long the receiver may take for its whole answer. Absent or null: what HUB_WEBHOOK_TIMEOUT_SECONDS says (15).',
  maxConcurrency: 'The most webhooks under way at once. Absent or null: 100.',
  ratePerSecond: 'The most webhooks begun in a second. Absent or null: no limit.',
  ordering:
    'With subject or practice a webhook waits for the earlier ones of its subject or practice, and only for those, until they are delivered or given up. Default: none.',
  retrySchedule:
    'default: ten attempts over about three days. quick: 17 attempts over about ten minutes, for what is worth nothing later. patient: 18 attempts over about eleven days. none: one attempt. Whatever fails to the last is a dead letter and can be resent. Default: default.',
  excludeOwn: 'Nothing that its own owner caused. Default: false.',
  metadata:
    "The owner's own notes: at most 50 names of 1 to 40 characters, each with a text of at most 500.",
};

/** What an owner may set of an endpoint beyond whereto and what. */
export class EndpointSettings {
  @JsonObject({
    optional: true,
    nullable: true,
    description: help.filter,
    example: { amount: { $gte: 10000 }, method: { $in: ['card', 'cash'] } },
  })
  filter?: Record<string, unknown> | null;

  @JsonObject({
    optional: true,
    nullable: true,
    texts: true,
    description: help.headers,
    example: { 'x-tenant': 'elm-street' },
  })
  headers?: Record<string, string> | null;

  @OneOf(contentTypes, { optional: true, description: help.contentType })
  contentType?: ContentType;

  @Int({ least: 1, most: 30, optional: true, nullable: true, description: help.timeoutSeconds })
  timeoutSeconds?: number | null;

  @Int({ least: 1, most: 1000, optional: true, nullable: true, description: help.maxConcurrency })
  maxConcurrency?: number | null;

  @Int({ least: 1, most: 100_000, optional: true, nullable: true, description: help.ratePerSecond })
  ratePerSecond?: number | null;

  @OneOf(orderings, { optional: true, description: help.ordering })
  ordering?: Ordering;

  @OneOf(scheduleNames, { optional: true, description: help.retrySchedule })
  retrySchedule?: RetryScheduleName;

  @Flag({ optional: true, description: help.excludeOwn })
  excludeOwn?: boolean;

  @JsonObject({ optional: true, nullable: true, texts: true, description: help.metadata })
  metadata?: Record<string, string> | null;
}

/** The same as they are; a setting that was never made has its default, or null where there is none. */
export class EndpointSettingsResource {
  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    nullable: true,
    description: help.filter,
  })
  filter: Record<string, unknown> | null;

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    nullable: true,
    description: help.headers,
  })
  headers: Record<string, string> | null;

  @ApiProperty({ enum: contentTypes })
  contentType: ContentType;

  @ApiProperty({ type: 'integer', nullable: true })
  timeoutSeconds: number | null;

  @ApiProperty({ type: 'integer', nullable: true })
  maxConcurrency: number | null;

  @ApiProperty({ type: 'integer', nullable: true })
  ratePerSecond: number | null;

  @ApiProperty({ enum: orderings })
  ordering: Ordering;

  @ApiProperty({ enum: scheduleNames })
  retrySchedule: RetryScheduleName;

  @ApiProperty()
  excludeOwn: boolean;

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    nullable: true,
  })
  metadata: Record<string, string> | null;
}
