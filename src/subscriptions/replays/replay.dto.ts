import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Flag, Instant, Int, TextList } from '../../platform/http/fields.js';
import { PageType } from '../../platform/http/lists.js';

export const replayStates = ['collecting', 'running', 'completed', 'cancelled', 'failed'] as const;
export type ReplayState = (typeof replayStates)[number];

/** What may be sent once more. What is withheld never is, and what was never attempted comes by itself. */
export const replayedStatuses = ['delivered', 'dead', 'failed'] as const;
export const defaultStatuses = ['delivered', 'dead'];
export const defaultRatePerSecond = 50;

export class NewReplay {
  @Instant({ optional: true, description: 'Only what was made at or after this time.' })
  from?: string;

  @Instant({ optional: true, description: 'Only what was made before this time.' })
  to?: string;

  @TextList({
    least: 1,
    most: 100,
    optional: true,
    description: 'Names, `family.*` or `*`; absent: any.',
    example: ['payment.*'],
  })
  eventTypes?: string[];

  @TextList({
    least: 1,
    most: replayedStatuses.length,
    optional: true,
    description: `Of ${replayedStatuses.join(', ')}; absent: ${defaultStatuses.join(', ')}. Not with missing. A failed one is due now instead of later.`,
    example: ['dead'],
  })
  status?: string[];

  @Flag({
    optional: true,
    description:
      'What matches the endpoint as it is today and was never delivered: dead deliveries, and events that never became one, because it was disabled, did not exist yet, or asked for less. Those get new numbers. As far as retention reaches. Default: false.',
  })
  missing?: boolean;

  @Flag({ optional: true, description: 'Only count. Default: false.' })
  dryRun?: boolean;

  @Int({
    least: 1,
    most: 1000,
    optional: true,
    description: `How many are queued a second at most; default ${defaultRatePerSecond}. First attempts of new events go first.`,
  })
  ratePerSecond?: number;
}

export class ReplayCount {
  @ApiProperty({ enum: [true] })
  dryRun: true;

  @ApiProperty({ description: 'How many the replay would send now.' })
  matched: number;

  @ApiProperty({ description: 'Of those: deliveries that would be sent once more.' })
  deliveries: number;

  @ApiProperty({ description: 'Of those: events that would get new numbers.' })
  events: number;
}

export class ReplayResource {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'uuid' })
  endpointId: string;

  @ApiProperty({
    enum: replayStates,
    description:
      'collecting: looking for what matches; running: putting it into the queue; completed: everything is queued.',
  })
  state: ReplayState;

  @ApiProperty({
    description: 'How many were found, nothing erased among them; rises while it is collecting.',
  })
  matched: number;

  @ApiProperty({
    description:
      'How many are in the queue or sent. Less than matched in the end where something may no longer be sent.',
  })
  sent: number;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  from: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  to: string | null;

  @ApiProperty({ type: [String], nullable: true })
  eventTypes: string[] | null;

  @ApiProperty({ type: [String] })
  status: string[];

  @ApiProperty()
  missing: boolean;

  @ApiProperty()
  ratePerSecond: number;

  @ApiPropertyOptional({
    description:
      'Why it failed: too_many_matched, search_failed, endpoint_changed (what it wants was changed; ask anew).',
    example: 'too_many_matched',
  })
  failure?: string;

  @ApiProperty()
  version: number;

  @ApiProperty({ format: 'date-time' })
  createdAt: Date;

  @ApiProperty({ format: 'date-time' })
  updatedAt: Date;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  finishedAt: Date | null;
}

export class ReplayPage extends PageType(ReplayResource) {}
