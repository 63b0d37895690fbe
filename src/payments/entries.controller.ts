import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { OpenToApplications, OpenToPartners } from '../platform/access/access.guard.js';
import { IdOf } from '../platform/http/input.pipe.js';
import { ListRoute, type Page } from '../platform/http/lists.js';
import { Context, RequestContext } from '../platform/http/request-context.js';
import { EntryListQuery, EntryPage, EntryResource } from './ledger.dto.js';
import { EntriesService } from './entries.service.js';

/** The ledger of one account: entries of every kind. */
@ApiTags('accounts')
@Controller('v1/practices/:practiceId/accounts/:accountId/entries')
@OpenToApplications()
@OpenToPartners()
export class EntriesController {
  constructor(private readonly entries: EntriesService) {}

  @Get()
  @ApiOperation({ summary: "List the entries of an account's ledger" })
  @ListRoute('In the order in which entries were made.', EntryPage)
  list(
    @Context() { caller }: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Param('accountId', new IdOf('account')) accountId: string,
    @Query() query: EntryListQuery,
  ): Promise<Page<object>> {
    return this.entries.listOfAccount(caller, practiceId, accountId, query);
  }

  @Get(':entryId')
  @ApiOperation({ summary: "Read an entry of an account's ledger" })
  @ApiOkResponse({ type: EntryResource })
  get(
    @Context() { caller }: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Param('accountId', new IdOf('account')) accountId: string,
    @Param('entryId', new IdOf('entry')) id: string,
  ): Promise<object> {
    return this.entries.readOfAccount(caller, practiceId, accountId, id);
  }
}
