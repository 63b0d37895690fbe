import { Controller, Get, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { OpenToAll } from '../platform/access/access.guard.js';
import { Metrics } from '../platform/metrics.js';

@ApiTags('operations')
@OpenToAll()
@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  @Get()
  @ApiOperation({ summary: 'Read the metrics, for Prometheus' })
  @ApiOkResponse({ description: 'Counters of this hub, in the Prometheus text format.' })
  async read(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    void reply.header('content-type', this.metrics.contentType);
    return this.metrics.text();
  }
}
