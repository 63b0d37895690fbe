import { Controller, Get, Param, Query, Res, UseGuards } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { HoldsNoPatientData } from '../../audit/reads.interceptor.js';
import { OpenToApplications, OpenToPartners } from '../../platform/access/access.guard.js';
import { IdOf } from '../../platform/http/input.pipe.js';
import { Context, RequestContext } from '../../platform/http/request-context.js';
import { Manifest, ManifestQuery, StreamPage, StreamQuery } from './stream.dto.js';
import { StreamsService } from './streams.service.js';

const defaultLimit = 100;
import { EndpointOwnerGuard } from '../endpoints/endpoint-owner.guard.js';

@ApiTags('endpoints')
@Controller('v1/endpoints/:endpointId')
@OpenToApplications()
@OpenToPartners()
@UseGuards(EndpointOwnerGuard)
export class StreamsController {
  constructor(private readonly streams: StreamsService) {}

  @Get('events')
  @ApiOperation({ summary: "Read an endpoint's stream as a feed" })
  @ApiOkResponse({
    type: StreamPage,
    description:
      'The stream of the endpoint as a feed, to catch up with: ascending numbers without gaps, whether or not a webhook has brought them. Also of a disabled endpoint.',
  })
  async read(
    @Context() { caller }: RequestContext,
    @Param('endpointId', new IdOf('endpoint')) endpointId: string,
    @Query() { after = '0', limit = defaultLimit }: StreamQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const page = await this.streams.page(caller, endpointId, Number(after), limit);
    void reply.header('content-type', 'application/json; charset=utf-8');
    return page;
  }

  @Get('manifest')
  @ApiOperation({ summary: "Read the hash over a piece of an endpoint's stream" })
  @HoldsNoPatientData()
  @ApiOkResponse({
    type: Manifest,
    description:
      'Count and hash of a stretch of the stream, to compare with what was received: docs/manifest.md.',
  })
  manifest(
    @Context() { caller }: RequestContext,
    @Param('endpointId', new IdOf('endpoint')) endpointId: string,
    @Query() query: ManifestQuery,
  ): Promise<Manifest> {
    return this.streams.manifest(caller, endpointId, query);
  }
}
