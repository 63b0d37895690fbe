import { Controller, Get, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { OpenToAll } from '../platform/access/access.guard.js';
import { HealthService, type Health } from './health.service.js';

@ApiTags('operations')
@OpenToAll()
@Controller('health')
export class HealthController {
  constructor(private readonly health: HealthService) {}

  /** The process answers; restarting it is no remedy for anything else. */
  @Get('live')
  @ApiOperation({ summary: 'Tell whether the process is alive' })
  live(): { status: 'up' } {
    return { status: 'up' };
  }

  /**
   * 503 while the hub cannot accept facts. A broker that is away does not count: the log keeps what it misses. Who
   * holds the log back is shown with the key only, since it names other sessions of the database server.
   */
  @Get('ready')
  @ApiOperation({ summary: 'Tell whether the hub can do its work' })
  async ready(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Health> {
    const { horizonHeldBy, ...health } = await this.health.check();
    if (health.status === 'down') void reply.status(503);
    return request.caller ? { ...health, horizonHeldBy } : health;
  }
}
