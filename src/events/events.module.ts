import { Global, Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { Cursors } from './bus/cursors.js';
import { EventBus } from './bus/event-bus.js';
import { ParkedEvents } from './bus/parked-events.js';
import { PostgresLogBus } from './bus/postgres-log/postgres-log-bus.js';
import { EventTypesController } from './feed/event-types.controller.js';
import { FeedController } from './feed/feed.controller.js';
import { FeedService } from './feed/feed.service.js';
import { HubPositionInterceptor } from './feed/hub-position.interceptor.js';
import { EventLog } from './log/event-log.js';
import { Outbox } from './outbox/outbox.js';

/** Said (outbox), kept (log), carried (bus), read (feed). */
@Global()
@Module({
  controllers: [FeedController, EventTypesController],
  providers: [
    Outbox,
    EventLog,
    Cursors,
    ParkedEvents,
    FeedService,
    PostgresLogBus,
    { provide: EventBus, useExisting: PostgresLogBus },
    { provide: APP_INTERCEPTOR, useClass: HubPositionInterceptor },
  ],
  exports: [Outbox, EventLog, EventBus],
})
export class EventsModule {}
