import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import {
  OpenToApplications,
  OpenToPartners,
  WithinReach,
} from '../platform/access/access.guard.js';
import { keyModes, scopes, type KeyMode, type Scope } from '../platform/access/api-key.js';
import { Context, RequestContext } from '../platform/http/request-context.js';
import { HoldsNoPatientData } from '../audit/reads.interceptor.js';

class Me {
  @ApiProperty({ enum: ['operator', 'application', 'partner'] })
  kind: string;

  @ApiProperty({ description: 'As the `actor` of events and the `owner` of endpoints names it.' })
  actor: string;

  @ApiProperty({ enum: [...keyModes], nullable: true, description: 'Null for the operator.' })
  mode: KeyMode | null;

  @ApiProperty({ enum: [...scopes], isArray: true })
  scopes: Scope[];

  @ApiProperty({ type: [String], nullable: true, description: 'Practices it reaches; null: all.' })
  practiceIds: string[] | null;
}

/** Whose key it is that somebody has in hand. */
@HoldsNoPatientData()
@ApiTags('applications')
@Controller('v1/me')
@OpenToApplications()
@OpenToPartners()
@WithinReach()
export class MeController {
  @Get()
  @ApiOperation({ summary: 'Tell whose key this is, and what it reaches' })
  @ApiOkResponse({ type: Me })
  me(@Context() { caller }: RequestContext): Me {
    const { kind, actor, practices, sandbox } = caller;
    return {
      kind,
      actor,
      mode: sandbox === null ? null : sandbox ? 'test' : 'live',
      scopes: [...caller.scopes],
      practiceIds: practices && [...practices].sort(),
    };
  }
}
