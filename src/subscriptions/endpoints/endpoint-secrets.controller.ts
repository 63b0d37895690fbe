import { Body, Controller, HttpCode, Param, Post, UseGuards } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Signals } from '../../database/signals.js';
import { OpenToApplications, OpenToPartners } from '../../platform/access/access.guard.js';
import { Answer } from '../../platform/http/answer.js';
import { Commands } from '../../platform/http/commands.js';
import { IdOf } from '../../platform/http/input.pipe.js';
import { Context, RequestContext } from '../../platform/http/request-context.js';
import { shardOf } from '../deliveries/shard-owner.js';
import { RotatedEndpoint } from './endpoint.dto.js';
import { SecretRotation } from './endpoint-secrets.dto.js';
import { EndpointEvents, endpointKey } from './endpoint-events.js';
import { EndpointSecrets } from './endpoint-secrets.service.js';
import { keepable } from './endpoint-settings.js';
import { EndpointsService } from './endpoints.service.js';
import { EndpointOwnerGuard } from './endpoint-owner.guard.js';

@ApiTags('endpoints')
@Controller('v1/endpoints/:endpointId/secret')
@OpenToApplications()
@OpenToPartners()
@UseGuards(EndpointOwnerGuard)
export class EndpointSecretsController {
  constructor(
    private readonly endpoints: EndpointsService,
    private readonly secrets: EndpointSecrets,
    private readonly events: EndpointEvents,
    private readonly commands: Commands,
    private readonly signals: Signals,
  ) {}

  @Post('rotate')
  @ApiOperation({ summary: 'Give an endpoint a new signing key' })
  @HttpCode(200)
  @ApiBody({ type: SecretRotation, required: false })
  @ApiOkResponse({
    type: RotatedEndpoint,
    description:
      'A new current key. Webhooks are signed with the former ones too, the current one first, until they end; a receiver is satisfied by any signature it can verify. 409 where five former ones overlap already.',
  })
  async rotate(
    @Context() context: RequestContext,
    @Param('endpointId', new IdOf('endpoint')) id: string,
    @Body() body: SecretRotation,
  ): Promise<Answer> {
    const answer = await this.commands.run(context, [endpointKey(id)], async (tx) => {
      const endpoint = await this.endpoints.lock(tx, id);
      context.matchIfGiven(endpoint);
      const { key, overlapEndsAt } = await this.secrets.rotate(tx, endpoint, body);
      const { kept, once } = keepable(await this.endpoints.amend(tx, endpoint, {}));
      const { kind, secret, publicKey } = key;
      const data = { kind, overlapEndsAt: overlapEndsAt?.toISOString() ?? null };
      const event = { endpointId: id, type: 'endpoint.secret_rotated', data } as const;
      await this.events.append(tx, context.cause, [event]);
      return kind === 'hmac'
        ? Answer.ok(kept, { ...once, secret })
        : Answer.ok({ ...kept, publicKey }, once);
    });
    this.signals.emit('deliveries', [String(shardOf(id))]);
    return answer;
  }
}
