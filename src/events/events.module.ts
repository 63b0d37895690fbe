import { Global, Module } from '@nestjs/common';
import { APP_INTERCEPTOR, ModuleRef } from '@nestjs/core';
import { DataSource } from 'typeorm';
import { Settings } from '../platform/settings.js';
import { DataKeys } from '../sealing/data-keys.js';
import { Cursors } from './bus/cursors.js';
import { EventBus } from './bus/event-bus.js';
import { Handover } from './bus/handover.js';
import { KafkaBus } from './bus/kafka/kafka-bus.js';
import { RelayStore } from './bus/kafka/relay-store.js';
import { Relay } from './bus/kafka/relay.js';
import { Topic } from './bus/kafka/topic.js';
import { ParkedEvents } from './bus/parked-events.js';
import { PostgresLogBus } from './bus/postgres-log/postgres-log-bus.js';
import { EventTypesController } from './feed/event-types.controller.js';
import { FeedController } from './feed/feed.controller.js';
import { FeedService } from './feed/feed.service.js';
import { HubPositionInterceptor } from './feed/hub-position.interceptor.js';
import { ApiLog } from './log/api-log.js';
import { EventLog } from './log/event-log.js';
import { Outbox } from './outbox/outbox.js';

/** Said (outbox), kept (log), carried (bus), read (feed). */
@Global()
@Module({
  controllers: [FeedController, EventTypesController],
  providers: [
    Outbox,
    EventLog,
    { provide: ApiLog, useFactory: ApiLog.over, inject: [DataSource, DataKeys] },
    Cursors,
    Handover,
    ParkedEvents,
    FeedService,
    Topic,
    RelayStore,
    Relay,
    {
      // Made only where it is wanted, since the bus that is made also starts.
      provide: EventBus,
      useFactory: (modules: ModuleRef, settings: Settings): Promise<EventBus> =>
        modules.create<EventBus>(settings.kafkaBrokers ? KafkaBus : PostgresLogBus),
      inject: [ModuleRef, Settings],
    },
    { provide: APP_INTERCEPTOR, useClass: HubPositionInterceptor },
  ],
  exports: [Outbox, EventLog, EventBus],
})
export class EventsModule {}
