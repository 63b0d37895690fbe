import type { Consumer, EachBatchPayload, KafkaMessage } from 'kafkajs';
import { BatchTaken } from '../claim.js';
import type { BatchHandler, Subscription } from '../event-bus.js';
import type { Handover } from '../handover.js';
import type { ParkedEvents } from '../parked-events.js';
import type { Logger } from '../../../platform/logger.js';
import type { Settings } from '../../../platform/settings.js';
import { Wakeable } from '../../../platform/wakeable.js';
import { kafkaClient } from './client.js';
import { Failures, nameOf } from './failures.js';
import type { PartitionReader } from './partition-reader.js';
import type { RelayStore } from './relay-store.js';
import type { Topic } from './topic.js';

/** How many records are handled at once; a fetch of a megabyte may hold several thousand. */
const mostAtOnce = 1000;
/** How long a broker holds a fetch open for want of records; also the longest wait for the end. */
const fetchMs = 500;
/** After a handler's failure, before its partition is fetched again. The others go on. */
const retryMs = 250;
const redriveMs = 2000;
/** A member that neither fetches nor is in a handler for so long hangs; joining takes a minute at most. */
const silenceMs = 120_000;
const closeWithinMs = 10_000;

export interface ConsumerParts {
  topic: Topic;
  store: RelayStore;
  handover: Handover;
  parked: ParkedEvents;
  settings: Settings;
  logger: Logger;
}

/**
 * This hub's member of a group. The brokers share the partitions out among the hubs; a member that crashes is built
 * anew with a client of its own, since the library's own restart leaves members that no longer fetch.
 */
export class GroupConsumer implements Subscription {
  private failure: string | undefined;
  /** Partitions whose next batch the handler could not handle. */
  private readonly failing = new Set<number>();
  private readonly waker = new Wakeable();
  private readonly redriveWaker = new Wakeable();
  private readonly resumptions = new Set<NodeJS.Timeout>();
  private readonly finished: Promise<unknown>;
  private lastSign = 0;

  constructor(
    readonly group: string,
    private readonly handler: BatchHandler,
    private readonly reader: PartitionReader,
    private readonly parts: ConsumerParts,
  ) {
    this.finished = Promise.all([this.run(), this.redrive()]);
  }

  /** What is wrong at the moment, for the operator. */
  get problems(): string[] {
    const { group, failure, failing } = this;
    const stuck = failing.size > 0 && `the group ${group} cannot handle its next events`;
    return [failure, stuck].filter((problem) => typeof problem === 'string');
  }

  async stop(): Promise<void> {
    this.waker.stop();
    this.redriveWaker.stop();
    await this.finished;
    for (const timer of this.resumptions) clearTimeout(timer);
  }

  private async run(): Promise<void> {
    const failures = new Failures(this.parts.logger, { group: this.group });
    while (!this.waker.stopped) {
      try {
        await this.consumeUntilCrash(failures);
      } catch (error) {
        this.failure = `the group ${this.group} cannot consume (${nameOf(error)})`;
        await this.waker.pause(failures.add(error, 'the consumer failed, building a new one'));
      }
    }
  }

  private async consumeUntilCrash(failures: Failures): Promise<void> {
    const { topic, store, handover, settings, logger } = this.parts;
    const partitions = await store.found(topic.name, settings.kafkaPartitions);
    await handover.toKafka(this.group, partitions);
    await topic.ensure(partitions);
    const consumer = kafkaClient(settings, logger).consumer({
      groupId: topic.groupId(this.group),
      // A hub that died is noticed as fast as its leases run out; brokers take no less than six seconds.
      sessionTimeout: Math.max(6000, settings.leaseSeconds * 1000),
      heartbeatInterval: 1000,
      maxWaitTimeInMs: fetchMs,
      // So that partitions somebody adds are found soon.
      metadataMaxAge: 10_000,
      allowAutoTopicCreation: false,
      retry: { restartOnFailure: async () => false },
    });
    try {
      const crashed = this.watch(consumer);
      await consumer.connect();
      // From the beginning, or what comes to an added partition before it is assigned would be skipped.
      await consumer.subscribe({ topic: topic.name, fromBeginning: true });
      await consumer.run({
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: 3,
        eachBatch: (payload) => this.eachBatch(payload),
      });
      this.lastSign = performance.now();
      while (!this.waker.stopped && !crashed.error) {
        await this.waker.wait(1000);
        this.waker.reset();
        if (performance.now() - this.lastSign > silenceMs) throw new ConsumerSilent();
        if (crashed.fetched) failures.clear();
      }
      if (crashed.error) throw crashed.error;
    } finally {
      await within(closeWithinMs, consumer.disconnect());
    }
  }

  private watch(consumer: Consumer): { error?: Error; fetched: boolean } {
    const seen: { error?: Error; fetched: boolean } = { fetched: false };
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      seen.error = payload.error;
      this.waker.wake();
    });
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      // Somebody else may have consumed what this hub is assigned now.
      this.reader.forget();
      this.failing.clear();
      const partitions = payload.memberAssignment[this.parts.topic.name] ?? [];
      this.parts.logger.info({ group: this.group, partitions }, 'partitions assigned');
    });
    consumer.on(consumer.events.FETCH, () => {
      this.lastSign = performance.now();
      seen.fetched = true;
      this.failure = undefined;
    });
    return seen;
  }

  private async eachBatch(payload: EachBatchPayload): Promise<void> {
    const { batch, resolveOffset, heartbeat, isRunning, isStale, pause } = payload;
    const { partition } = batch;
    for (const messages of chunks(batch.messages, mostAtOnce)) {
      if (!isRunning() || isStale()) return;
      const beating = setInterval(() => {
        this.lastSign = performance.now();
        // Whatever it says (a rebalance, a lost connection) the client hears again after the batch.
        heartbeat().catch(() => undefined);
      }, 1000);
      try {
        await this.reader.handle(partition, messages);
        this.failing.delete(partition);
      } catch (error) {
        this.fail(partition, error);
        const resume = pause();
        this.later(retryMs, resume);
        return;
      } finally {
        clearInterval(beating);
      }
      resolveOffset(messages.at(-1)!.offset);
      await heartbeat();
    }
  }

  /** Nothing of the handler's may reach the client: it would stop the other partitions, and log what it was given. */
  private fail(partition: number, error: unknown): void {
    this.reader.forget(partition);
    if (error instanceof BatchTaken) return;
    const fields = { group: this.group, partition, err: error };
    if (this.failing.has(partition)) this.parts.logger.debug(fields, 'a batch failed again');
    else this.parts.logger.warn(fields, 'a batch failed, trying again');
    this.failing.add(partition);
  }

  private later(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.resumptions.delete(timer);
      work();
    }, ms);
    this.resumptions.add(timer);
  }

  private async redrive(): Promise<void> {
    while (!this.redriveWaker.stopped) {
      try {
        await this.parts.parked.redrive(this.group, 'kafka', this.handler);
      } catch (error) {
        this.parts.logger.debug({ group: this.group, err: error }, 'parked events have to wait');
      }
      await this.redriveWaker.pause(redriveMs);
    }
  }
}

class ConsumerSilent extends Error {
  override readonly name = 'ConsumerSilent';
}

function* chunks(messages: KafkaMessage[], size: number): Generator<KafkaMessage[]> {
  for (let from = 0; from < messages.length; from += size) yield messages.slice(from, from + size);
}

/** What hangs is left behind: what it may still do, `claimBatch` keeps from having an effect. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([work.catch(() => undefined), late]).finally(() => clearTimeout(timer));
}
