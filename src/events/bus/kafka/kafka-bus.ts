import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Logger } from '../../../platform/logger.js';
import { Settings } from '../../../platform/settings.js';
import { EventLog } from '../../log/event-log.js';
import type { Position } from '../../position.js';
import { Cursors } from '../cursors.js';
import { EventBus, type BatchHandler, type BusHealth, type Subscription } from '../event-bus.js';
import { Handover } from '../handover.js';
import { ParkedEvents } from '../parked-events.js';
import { GroupConsumer } from './group-consumer.js';
import { PartitionReader } from './partition-reader.js';
import { RelayStore } from './relay-store.js';
import { Relay } from './relay.js';
import { consumedThrough } from './relay.rules.js';
import { Topic } from './topic.js';

/** Facts that wait longer for the relay are worth the operator's attention. */
const noticedLagSeconds = 15;

/**
 * Carries the log over Apache Kafka: the relay publishes it to one topic, keyed by practice, and each group of the
 * hub is a consumer group. While no broker answers, facts go on into the log and the relay catches up afterwards.
 */
@Injectable()
export class KafkaBus extends EventBus implements OnApplicationBootstrap {
  readonly kind = 'kafka';
  private readonly consumers = new Map<string, GroupConsumer>();
  private isWarned = false;

  constructor(
    private readonly log: EventLog,
    private readonly cursors: Cursors,
    private readonly handover: Handover,
    private readonly parked: ParkedEvents,
    private readonly relay: Relay,
    private readonly store: RelayStore,
    private readonly topic: Topic,
    private readonly settings: Settings,
    private readonly logger: Logger,
  ) {
    super();
  }

  /** Also without a group of the hub: others read the topic too. */
  onApplicationBootstrap(): void {
    this.warnOfPayload();
    this.relay.start(() => [...this.consumers.keys()]);
  }

  private warnOfPayload(): void {
    if (this.settings.kafkaPayload !== 'full' || this.isWarned) return;
    this.isWarned = true;
    this.logger.warn(
      { topic: this.topic.name },
      'HUB_KAFKA_PAYLOAD is full: the topic carries patient data in plain text, outside of what the hub encrypts and can erase. The brokers must encrypt their disks, talk TLS, and let only those read the topic who may see all of it (docs/at-rest.md)',
    );
  }

  async subscribe(group: string, handler: BatchHandler): Promise<Subscription> {
    const { log, cursors, store, logger, topic, handover, parked, settings } = this;
    const reader = new PartitionReader(group, handler, log, cursors, store, logger);
    const parts = { topic, store, handover, parked, settings, logger };
    const consumer = new GroupConsumer(group, handler, reader, parts);
    this.consumers.set(group, consumer);
    this.onApplicationBootstrap();
    return {
      stop: async () => {
        await consumer.stop();
        this.consumers.delete(group);
      },
    };
  }

  async health(): Promise<BusHealth> {
    const relayLagSeconds = Math.round(await this.store.lagSeconds());
    const problems = [...this.consumers.values()].flatMap((consumer) => consumer.problems);
    if (this.relay.failure) problems.push(this.relay.failure);
    if (relayLagSeconds > noticedLagSeconds) {
      problems.push(`events wait for the topic since ${relayLagSeconds} seconds`);
    }
    const detail = problems.join('; ');
    return { bus: this.kind, up: detail === '', ...(detail && { detail }), relayLagSeconds };
  }

  async consumedThrough(): Promise<Position> {
    await this.store.found(this.topic.name, this.settings.kafkaPartitions);
    const groups = [...this.consumers.keys()];
    return consumedThrough(await this.store.load(), await this.cursors.all(this.kind), groups);
  }

  async close(): Promise<void> {
    const consumers = [...this.consumers.values()];
    await Promise.all([this.relay.stop(), ...consumers.map((consumer) => consumer.stop())]);
    this.consumers.clear();
  }
}
