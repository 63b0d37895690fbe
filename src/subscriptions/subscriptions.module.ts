import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { EnginePool } from '../database/engine-pool.js';
import { Settings } from '../platform/settings.js';
import { DataKeys } from '../sealing/data-keys.js';
import { DeliveriesController } from './deliveries/deliveries.controller.js';
import { DeliveriesService } from './deliveries/deliveries.service.js';
import { DeadLetters } from './deliveries/dead-letters.js';
import { Deliverer } from './deliveries/deliverer.js';
import { EndpointHealth } from './deliveries/endpoint-health.js';
import { EventCache } from './deliveries/event-cache.js';
import { WebhookClient } from './deliveries/webhook-client.js';
import { Endpoint } from './endpoints/endpoint.entity.js';
import { EndpointCalls } from './endpoints/endpoint-calls.js';
import { EndpointEvents } from './endpoints/endpoint-events.js';
import { EndpointRemains } from './endpoints/endpoint-remains.js';
import { EndpointSecretsController } from './endpoints/endpoint-secrets.controller.js';
import { EndpointSecrets } from './endpoints/endpoint-secrets.service.js';
import { EndpointTestController } from './endpoints/endpoint-test.controller.js';
import { EndpointsController } from './endpoints/endpoints.controller.js';
import { EndpointsService } from './endpoints/endpoints.service.js';
import { OwnershipController } from './endpoints/ownership.controller.js';
import { FanOutService } from './fanout/fan-out.service.js';
import { Reaches } from './reach/reaches.js';
import { ReplayFinder } from './replays/replay-finder.js';
import { ReplayQueue } from './replays/replay-queue.js';
import { ReplayRunner } from './replays/replay-runner.js';
import { ReplaysController } from './replays/replays.controller.js';
import { ReplaysService } from './replays/replays.service.js';
import { StreamsController } from './streams/streams.controller.js';
import { StreamsService } from './streams/streams.service.js';

/** Who listens, what is owed to them, and what became of it. */
@Module({
  imports: [TypeOrmModule.forFeature([Endpoint])],
  controllers: [
    EndpointsController,
    EndpointSecretsController,
    EndpointTestController,
    OwnershipController,
    DeliveriesController,
    StreamsController,
    ReplaysController,
  ],
  providers: [
    {
      provide: WebhookClient,
      useFactory: (settings: Settings) =>
        new WebhookClient({
          allowNetworks: settings.webhookNetworks,
          timeoutMs: settings.webhookTimeoutSeconds * 1000,
        }),
      inject: [Settings],
    },
    EndpointsService,
    EndpointEvents,
    EndpointRemains,
    EndpointSecrets,
    EndpointCalls,
    DeliveriesService,
    StreamsService,
    ReplayFinder,
    ReplaysService,
    ReplayQueue,
    ReplayRunner,
    {
      provide: EventCache,
      useFactory: (pool: EnginePool, keys: DataKeys) => new EventCache(pool, keys),
      inject: [EnginePool, DataKeys],
    },
    Reaches,
    EndpointHealth,
    DeadLetters,
    Deliverer,
    FanOutService,
  ],
})
export class SubscriptionsModule {}
