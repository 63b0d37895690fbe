import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { OpenToApplications } from '../platform/access/access.guard.js';
import { IdOf } from '../platform/http/input.pipe.js';
import { ListRoute, type Page } from '../platform/http/lists.js';
import type { LedgerEntry } from './ledger-entry.entity.js';
import { EntryListQuery, EntryPage, EntryResource } from './ledger.dto.js';
import { EntriesService } from './entries.service.js';

/** The ledger of one account: entries of every kind. */
@ApiTags('accounts')
@Controller('v1/practices/:practiceId/accounts/:accountId/entries')
@OpenToApplications()
export class EntriesController {
  constructor(private readonly entries: EntriesService) {}

  @Get()
  @ListRoute('In the order in which entries were made.', EntryPage)
  list(
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Param('accountId', new IdOf('account')) accountId: string,
    @Query() query: EntryListQuery,
  ): Promise<Page<LedgerEntry>> {
    return this.entries.listOfAccount(practiceId, accountId, query);
  }

  @Get(':entryId')
  @ApiOkResponse({ type: EntryResource })
  get(
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Param('accountId', new IdOf('account')) accountId: string,
    @Param('entryId', new IdOf('entry')) id: string,
  ): Promise<LedgerEntry> {
    return this.entries.getOfAccount(practiceId, accountId, id);
  }
}
