import { Body, Controller, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { OpenToApplications, OpenToPartners } from '../platform/access/access.guard.js';
import { Answer } from '../platform/http/answer.js';
import { Commands } from '../platform/http/commands.js';
import { IdOf } from '../platform/http/input.pipe.js';
import { ListRoute, ResourceListQuery, type Page } from '../platform/http/lists.js';
import { Context, RequestContext } from '../platform/http/request-context.js';
import { PracticesService } from '../practices/practices.service.js';
import { AccountChange, AccountPage, AccountResource, NewAccount } from './account.dto.js';
import { AccountsService } from './accounts.service.js';

@ApiTags('accounts')
@Controller('v1/practices/:practiceId/accounts')
@OpenToApplications()
export class AccountsController {
  constructor(
    private readonly accounts: AccountsService,
    private readonly practices: PracticesService,
    private readonly commands: Commands,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Open an account' })
  @ApiCreatedResponse({ type: AccountResource })
  create(
    @Context() context: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Body() body: NewAccount,
  ): Promise<Answer> {
    return this.commands.run(context, [practiceId], async (tx) => {
      const practice = await this.practices.get(practiceId, tx);
      const account = await this.accounts.open(tx, context.cause, practice, body);
      return Answer.created(`/v1/practices/${practiceId}/accounts/${account.id}`, account);
    });
  }

  @Get()
  @ApiOperation({ summary: 'List accounts' })
  @OpenToPartners()
  @ListRoute('In order of creation.', AccountPage)
  list(
    @Context() { caller }: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Query() query: ResourceListQuery,
  ): Promise<Page<object>> {
    return this.accounts.list(caller, practiceId, query);
  }

  @Get(':accountId')
  @ApiOperation({ summary: 'Read an account, with its balance' })
  @OpenToPartners()
  @ApiOkResponse({ type: AccountResource })
  get(
    @Context() { caller }: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Param('accountId', new IdOf('account')) id: string,
  ): Promise<object> {
    return this.accounts.read(caller, practiceId, id);
  }

  @Patch(':accountId')
  @ApiOperation({ summary: "Change an account's holder or guarantor" })
  @ApiOkResponse({ type: AccountResource })
  change(
    @Context() context: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Param('accountId', new IdOf('account')) id: string,
    @Body() body: AccountChange,
  ): Promise<Answer> {
    return this.commands.run(context, [practiceId], async (tx) => {
      const account = await this.accounts.get(practiceId, id, tx);
      context.requireMatch(account);
      return Answer.ok(await this.accounts.change(tx, context.cause, account, body));
    });
  }
}
