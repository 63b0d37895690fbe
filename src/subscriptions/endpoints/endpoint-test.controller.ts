import { Body, Controller, HttpCode, Param, Post, UseGuards } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { v7 as uuidv7 } from 'uuid';
import { isEventType, type EventType } from '../../events/catalog/catalog.js';
import { OpenToApplications, OpenToPartners } from '../../platform/access/access.guard.js';
import { Answer } from '../../platform/http/answer.js';
import { Commands } from '../../platform/http/commands.js';
import { IdOf } from '../../platform/http/input.pipe.js';
import { invalidField } from '../../platform/http/problem.js';
import { Context, RequestContext } from '../../platform/http/request-context.js';
import { Settings } from '../../platform/settings.js';
import { EndpointCalls, type CalledEndpoint, type CallMessage } from './endpoint-calls.js';
import { EndpointTest, EndpointTestResult } from './endpoint-test.dto.js';
import { exampleEvent, firstTypeOf } from './example-event.js';
import { assertNotUnproven } from './ownership.rules.js';
import { EndpointOwnerGuard } from './endpoint-owner.guard.js';

@ApiTags('endpoints')
@Controller('v1/endpoints/:endpointId/test')
@OpenToApplications()
@OpenToPartners()
@UseGuards(EndpointOwnerGuard)
export class EndpointTestController {
  constructor(
    private readonly calls: EndpointCalls,
    private readonly commands: Commands,
    private readonly settings: Settings,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Send an endpoint an example at once' })
  @HttpCode(200)
  @ApiBody({ type: EndpointTest, required: false })
  @ApiOkResponse({
    type: EndpointTestResult,
    description:
      'Sends the catalogue\'s example of an event at once, as the endpoint would get it, and says what became of it. The body has `"hubtest": true` and no `hubsequence`, the header `hub-test` says the same; it is in no log and no list of deliveries. Also for a disabled endpoint; one at a time, else 409. 409 `ownership_unproven` while the receiver has not answered its challenge: until then nothing else goes there.',
  })
  test(
    @Context() context: RequestContext,
    @Param('endpointId', new IdOf('endpoint')) id: string,
    @Body() { eventType }: EndpointTest,
  ): Promise<Answer> {
    if (eventType !== undefined && !isEventType(eventType)) throw unknownType();
    return this.commands.runOutside(context, async () => {
      let type: EventType | undefined;
      const { message, result } = await this.calls.call(context.caller, id, (endpoint) => {
        assertNotUnproven(endpoint);
        type = eventType ?? firstTypeOf(endpoint.eventTypes);
        if (type === undefined) throw unknownType();
        return this.message(context, type, endpoint);
      });
      const { outcome, statusCode, durationMs, error, responseSnippet } = result;
      const shown = {
        eventId: message.id,
        eventType: type,
        outcome,
        ...(statusCode !== undefined && { statusCode }),
        durationMs: Math.round(durationMs),
        ...(error !== undefined && { error }),
      };
      // Only in this answer: what a receiver says may be anything, and is kept nowhere.
      return Answer.ok(shown, responseSnippet === undefined ? null : { response: responseSnippet });
    });
  }

  private message(
    context: RequestContext,
    type: EventType,
    { id: endpointId, owner, payloadMode }: CalledEndpoint,
  ): CallMessage {
    const id = uuidv7();
    const view = { mode: payloadMode, publicUrl: this.settings.baseUrl };
    const event = exampleEvent(type, { id, time: new Date(), owner, ...context.cause }, view);
    return {
      id,
      body: JSON.stringify({ ...event, hubendpoint: endpointId, hubtest: true }),
      headers: { 'hub-test': 'true', 'hub-attempt': '1' },
      keepResponse: 'failed',
    };
  }
}

function unknownType(): Error {
  return invalidField(
    '/eventType',
    'unknown_event_type',
    'The hub emits no such event. GET /v1/event-types lists what it emits.',
  );
}
