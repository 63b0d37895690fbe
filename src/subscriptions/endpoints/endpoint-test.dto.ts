import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Text } from '../../platform/http/fields.js';

export class EndpointTest {
  @Text({
    optional: true,
    description:
      'A name of GET /v1/event-types, also one the endpoint does not listen to. Default: the first it listens to.',
    example: 'appointment.scheduled',
  })
  eventType?: string;
}

export class EndpointTestResult {
  @ApiProperty({ format: 'uuid', description: 'The `webhook-id` the receiver saw.' })
  eventId: string;

  @ApiProperty({ example: 'appointment.scheduled' })
  eventType: string;

  @ApiProperty({ description: '`succeeded`, or why not, as in the attempts of a delivery.' })
  outcome: string;

  @ApiPropertyOptional({ description: 'Absent where no answer came.' })
  statusCode?: number;

  @ApiProperty()
  durationMs: number;

  @ApiPropertyOptional()
  error?: string;

  @ApiPropertyOptional({
    description: 'How the body of an answer other than 2xx begins: 1 KB at most.',
  })
  response?: string;
}
