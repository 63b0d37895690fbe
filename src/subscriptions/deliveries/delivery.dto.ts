import { ApiProperty, OmitType } from '@nestjs/swagger';
import { Instant, Text } from '../../platform/http/fields.js';
import { ListQuery, PageType } from '../../platform/http/lists.js';

/** `failed`: another attempt is due; `dead`: given up; `withheld`: may no longer be sent. */
export const deliveryStatuses = ['pending', 'failed', 'delivered', 'dead', 'withheld'] as const;
export type DeliveryStatus = (typeof deliveryStatuses)[number];

/** `retry`: the schedule wants it; `requested`: it was resent or replayed. */
export const nextAttemptReasons = ['retry', 'requested'] as const;
export type NextAttemptReason = (typeof nextAttemptReasons)[number];

export class DeliveryListQuery extends ListQuery {
  @Text({
    most: 100,
    optional: true,
    description: `Comma-separated: ${deliveryStatuses.join(', ')}.`,
  })
  status?: string;

  @Text({
    most: 4000,
    optional: true,
    description: 'Comma-separated; appointment.* matches a family.',
  })
  eventTypes?: string;

  @Text({ most: 8000, optional: true, description: 'Comma-separated.' })
  practiceIds?: string;

  @Instant({ optional: true, description: 'Only those made at or after this time.' })
  from?: string;

  @Instant({ optional: true, description: 'Only those made before this time.' })
  to?: string;
}

export class DeliveryResource {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'uuid' })
  endpointId: string;

  @ApiProperty({ format: 'uuid', description: 'The webhook-id.' })
  eventId: string;

  @ApiProperty({ example: 'appointment.scheduled' })
  eventType: string;

  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  practiceId: string | null;

  @ApiProperty({ description: "Its number in the endpoint's stream: from 1, without gaps." })
  sequence: number;

  @ApiProperty({
    enum: deliveryStatuses,
    description:
      'failed: another attempt is due, at nextAttemptAt and for nextAttemptReason; so also of one that was delivered and is resent.',
  })
  status: DeliveryStatus;

  @ApiProperty({ description: 'How many were made.' })
  attempts: number;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  nextAttemptAt: Date | null;

  @ApiProperty({
    enum: nextAttemptReasons,
    nullable: true,
    description:
      'retry: the last one failed and the schedule goes on; requested: it was resent or replayed, whatever came of the last one.',
  })
  nextAttemptReason: NextAttemptReason | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  lastAttemptAt: Date | null;

  @ApiProperty({ type: Number, nullable: true })
  lastDurationMs: number | null;

  @ApiProperty({ type: String, nullable: true, example: 'timeout' })
  lastOutcome: string | null;

  @ApiProperty({ type: Number, nullable: true, example: 503 })
  lastStatusCode: number | null;

  @ApiProperty({ type: String, nullable: true })
  lastError: string | null;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'endpoint_deleted, expired (its event has passed retention), revoked, erased.',
  })
  withheldReason: string | null;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'The replay that has queued it last.',
  })
  replayId: string | null;

  @ApiProperty({ format: 'date-time', description: 'When the event was routed to the endpoint.' })
  createdAt: Date;
}

export class AttemptResource {
  @ApiProperty()
  number: number;

  @ApiProperty({ format: 'date-time' })
  at: Date;

  @ApiProperty()
  durationMs: number;

  @ApiProperty({ example: 'http_status' })
  outcome: string;

  @ApiProperty({ required: false, example: 503 })
  statusCode?: number;

  @ApiProperty({ required: false })
  error?: string;

  @ApiProperty({
    required: false,
    description:
      'The first KB of what the receiver answered to a failed attempt; kept for seven days.',
  })
  response?: string;
}

export class DeliveryDetail extends OmitType(DeliveryResource, ['attempts']) {
  @ApiProperty({ description: 'How many were made; the newest 100 are shown.' })
  attemptCount: number;

  @ApiProperty({ type: [AttemptResource], description: 'In the order they were made.' })
  attempts: AttemptResource[];
}

export class DeliveryPage extends PageType(DeliveryResource) {}
