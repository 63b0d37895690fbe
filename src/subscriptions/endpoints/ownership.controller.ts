import { randomBytes } from 'node:crypto';
import { Controller, HttpCode, Param, Post, UseGuards } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { v7 as uuidv7 } from 'uuid';
import { Signals } from '../../database/signals.js';
import { Transactions, type Tx } from '../../database/transactions.js';
import { OpenToApplications, OpenToPartners } from '../../platform/access/access.guard.js';
import { scopeOf, type Caller } from '../../platform/access/caller.js';
import { Answer } from '../../platform/http/answer.js';
import { Commands } from '../../platform/http/commands.js';
import { IdOf } from '../../platform/http/input.pipe.js';
import { conflict, type Problem } from '../../platform/http/problem.js';
import { Context, RequestContext } from '../../platform/http/request-context.js';
import { shardOf } from '../deliveries/shard-owner.js';
import type { SendResult } from '../deliveries/webhook-exchange.js';
import { EndpointCalls } from './endpoint-calls.js';
import { EndpointResource } from './endpoint.dto.js';
import { keepable } from './endpoint-settings.js';
import { EndpointsService } from './endpoints.service.js';
import { answersChallenge, provenStanding } from './ownership.rules.js';
import { EndpointOwnerGuard } from './endpoint-owner.guard.js';

@ApiTags('endpoints')
@Controller('v1/endpoints/:endpointId/verify')
@OpenToApplications()
@OpenToPartners()
@UseGuards(EndpointOwnerGuard)
export class OwnershipController {
  constructor(
    private readonly endpoints: EndpointsService,
    private readonly calls: EndpointCalls,
    private readonly commands: Commands,
    private readonly transactions: Transactions,
    private readonly signals: Signals,
  ) {}

  @Post()
  @ApiOperation({ summary: "Have an endpoint's receiver prove that it wants the webhooks" })
  @HttpCode(200)
  @ApiOkResponse({
    type: EndpointResource,
    description:
      'POSTs a signed `{"type": "hub.challenge", "challenge": "…"}` to the URL. A receiver that answers 2xx with the challenge and nothing else, as text or as `{"challenge": "…"}`, proves that it wants the webhooks: an endpoint made with `ownershipChallenge` is then enabled, if that was asked for. 409 with what came instead. One that is proven already is not called again.',
  })
  verify(
    @Context() context: RequestContext,
    @Param('endpointId', new IdOf('endpoint')) id: string,
  ): Promise<Answer> {
    return this.commands.runOutside(context, async () => {
      const before = await this.endpoints.get(context.caller, id);
      const isProven = before.ownership === 'proven';
      const after = isProven
        ? before
        : await this.settle(context.caller, id, await this.challenge(context.caller, id));
      const { kept, once } = keepable(after);
      return Answer.ok(kept, once);
    });
  }

  /**
   * The URL whose receiver answered the challenge.
   * @throws Problem 409 where it did not.
   */
  private async challenge(caller: Caller, id: string): Promise<string> {
    const challenge = randomBytes(32).toString('base64url');
    const { endpoint, result } = await this.calls.call(caller, id, () => {
      const messageId = uuidv7();
      const message = {
        specversion: '1.0',
        id: messageId,
        type: 'hub.challenge',
        source: `/endpoints/${id}`,
        time: new Date().toISOString(),
        hubendpoint: id,
        challenge,
      };
      const body = JSON.stringify(message);
      return { id: messageId, body, headers: {}, keepResponse: 'always' };
    });
    const { outcome, responseSnippet = '' } = result;
    if (outcome === 'succeeded' && answersChallenge(responseSnippet, challenge))
      return endpoint.url;
    throw notProven(result);
  }

  private async settle(caller: Caller, id: string, provenUrl: string): Promise<EndpointResource> {
    const prove = async (tx: Tx) => {
      const endpoint = await this.endpoints.lock(tx, id);
      if (endpoint.url !== provenUrl) {
        throw conflict('url_changed', 'The URL was changed meanwhile. Verify the endpoint again.');
      }
      return this.endpoints.amend(tx, endpoint, provenStanding(endpoint));
    };
    const resource = await this.transactions.run([], prove, { scope: scopeOf(caller) });
    this.signals.emit('deliveries', [String(shardOf(id))]);
    return resource;
  }
}

/** Says what came, but nothing of what the receiver wrote. */
function notProven({ outcome, statusCode, error }: SendResult): Problem {
  const came =
    error ?? `the receiver answered ${statusCode}, but not the challenge and nothing else`;
  return conflict(
    'challenge_failed',
    `The receiver did not answer the challenge: ${came}. It has to answer 2xx with the challenge as text or as {"challenge": "…"}; then verify again.`,
    { outcome, ...(statusCode !== undefined && { statusCode }) },
  );
}
