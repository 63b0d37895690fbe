import { Body, Controller, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { v7 as uuidv7 } from 'uuid';
import { Answer } from '../platform/http/answer.js';
import { Commands } from '../platform/http/commands.js';
import { IdOf } from '../platform/http/input.pipe.js';
import type { Page } from '../platform/http/lists.js';
import { Context, RequestContext } from '../platform/http/request-context.js';
import {
  NewPartner,
  PartnerChange,
  PartnerListQuery,
  PartnerPage,
  PartnerResource,
} from './partner.dto.js';
import type { Partner } from './partner.entity.js';
import { PartnersService } from './partners.service.js';

/** For the operator alone. */
@ApiTags('partners')
@Controller('v1/partners')
export class PartnersController {
  constructor(
    private readonly partners: PartnersService,
    private readonly commands: Commands,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Register a partner' })
  @ApiCreatedResponse({ type: PartnerResource })
  create(@Context() context: RequestContext, @Body() body: NewPartner): Promise<Answer> {
    return this.commands.run(context, [], async (tx) => {
      const id = uuidv7();
      return Answer.created(`/v1/partners/${id}`, await this.partners.create(tx, id, body));
    });
  }

  @Get()
  @ApiOperation({ summary: 'List partners' })
  @ApiOkResponse({ type: PartnerPage, description: 'In order of creation.' })
  list(@Query() query: PartnerListQuery): Promise<Page<Partner>> {
    return this.partners.list(query);
  }

  @Get(':partnerId')
  @ApiOperation({ summary: 'Read a partner' })
  @ApiOkResponse({ type: PartnerResource })
  get(@Param('partnerId', new IdOf('partner')) id: string): Promise<Partner> {
    return this.partners.get(id);
  }

  @Patch(':partnerId')
  @ApiOperation({ summary: "Change a partner's name" })
  @ApiOkResponse({ type: PartnerResource })
  change(
    @Context() context: RequestContext,
    @Param('partnerId', new IdOf('partner')) id: string,
    @Body() body: PartnerChange,
  ): Promise<Answer> {
    return this.commands.run(context, [], async (tx) => {
      const partner = await this.partners.lock(tx, id);
      context.requireMatch(partner);
      return Answer.ok(await this.partners.change(tx, partner, body));
    });
  }
}
