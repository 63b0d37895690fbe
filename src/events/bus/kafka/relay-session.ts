import type { Producer } from 'kafkajs';
import type { StoredEvent } from '../../catalog/envelope.js';
import type { EventLog, LogPage } from '../../log/event-log.js';
import { comparePositions, lowest } from '../../position.js';
import type { Logger } from '../../../platform/logger.js';
import type { Settings } from '../../../platform/settings.js';
import type { Cursors } from '../cursors.js';
import { kafkaClient } from './client.js';
import type { Acknowledged, RelayStore } from './relay-store.js';
import {
  batchesOf,
  isBack,
  groupsOf,
  isShort,
  laggingPartitions,
  raised,
  repartitioned,
  rewound,
  type RelayBatch,
  type RelayState,
} from './relay.rules.js';
import type { Topic } from './topic.js';

/**
 * Events of one page of the log. Pages grow while one holds less than a request may: each costs a read, a request and
 * a move of the cursor, and what goes out together is also consumed together. Times the largest event of 256 KB, the
 * smaller one is 64 MB in memory, and only a page of large events right after small ones can be more.
 */
const [leastPage, largestPage] = [256, 1024];
const checkMs = 10_000;
/** A consumer that goes on missing records must not make the relay publish in circles. */
const betweenRewindsMs = 5_000;
const nothing: LogPage<StoredEvent> = { events: [], more: false };

export interface RelayParts {
  log: EventLog;
  store: RelayStore;
  cursors: Cursors;
  topic: Topic;
  settings: Settings;
  logger: Logger;
  /** The groups that this hub serves. */
  groups(): string[];
}

/**
 * One term of the relay with one producer. Whatever fails ends it: after a lost answer the same producer either
 * fails for ever (OUT_OF_ORDER_SEQUENCE) or has later batches acknowledged and dropped, so the next term has a new one.
 */
export class RelaySession {
  private state!: RelayState;
  private producer?: Producer;
  private wantedPartitions = 0;
  private checkedAt = 0;
  private rewoundAt = -Infinity;
  private pageSize = leastPage;

  /** @param keepLease throws when the lease is lost; after it, a request may take `requestMs`. */
  constructor(
    private readonly parts: RelayParts,
    private readonly epoch: string,
    private readonly keepLease: () => Promise<void>,
    private readonly requestMs: number,
  ) {}

  async open(): Promise<void> {
    const { store, cursors, topic } = this.parts;
    await store.takeOver(this.epoch);
    this.state = await store.load();
    const fromLog = await cursors.all('log');
    if (fromLog.length > 0) {
      const consumed = lowest(fromLog.map(({ position }) => position));
      const isAhead = comparePositions(consumed, this.state.cursor) > 0;
      if (isAhead) await this.replace(raised(this.state, consumed));
    }
    if (this.state.topic !== topic.name) await this.replace(onTopic(this.state, topic.name));
    await this.connect();
    await this.check();
  }

  async close(): Promise<void> {
    await this.producer?.disconnect().catch(() => undefined);
  }

  private async connect(): Promise<void> {
    const { settings, logger } = this.parts;
    this.producer = kafkaClient(settings, logger, this.requestMs).producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition!,
      // One more try may still be answered in time; the next term does the rest.
      retry: { retries: 1 },
    });
    await this.producer.connect();
  }

  /** Publishes the next page of the log. @throws whatever ends the term. */
  async publishPage(): Promise<LogPage<StoredEvent>> {
    const { log, settings, store } = this.parts;
    await this.keepLease();
    if (performance.now() - this.checkedAt > checkMs) await this.check();
    const wantsMore = this.wantedPartitions > this.state.published.length;
    // After a rewind the old count goes on until the relay is back where it was: a practice that changed its partition
    // before would leave events behind where the old partition's consumers lag, or get them twice.
    if (wantsMore && isBack(this.state) && !(await this.repartition())) {
      if (await store.rewindWanted()) await this.rewind('a consumer has found a gap');
      return nothing;
    }
    const page = await log.readEvents(this.state.cursor, this.pageSize);
    const view = { mode: settings.kafkaPayload, publicUrl: settings.baseUrl };
    let rewindWanted = false;
    let requests = 0;
    for (const batch of batchesOf(this.state, page.events, view)) {
      const acknowledged = batch.messages.length > 0 ? await this.send(batch) : [];
      if (!acknowledged) return { events: [], more: true };
      rewindWanted = await this.move(batch, acknowledged);
      requests += 1;
    }
    if (requests > 1) this.pageSize = leastPage;
    else if (page.events.length === this.pageSize) {
      this.pageSize = Math.min(this.pageSize * 2, largestPage);
    }
    if (page.events.length === 0 && !page.more) rewindWanted = await store.rewindWanted();
    if (rewindWanted) await this.rewind('a consumer has found a gap');
    return page;
  }

  /** @returns undefined where the topic turned out to be another one, and the relay was set back. */
  private async send({ messages, published }: RelayBatch): Promise<Acknowledged[] | undefined> {
    await this.keepLease();
    const { topic } = this.parts;
    const results = await this.producer!.send({
      topic: topic.name,
      messages,
      acks: -1,
      timeout: this.requestMs,
    });
    const counts = new Map<number, number>();
    for (const { partition } of messages) counts.set(partition!, (counts.get(partition!) ?? 0) + 1);
    const acknowledged: Acknowledged[] = [];
    for (const { partition, baseOffset } of results) {
      const base = Number(baseOffset);
      if (base <= this.state.published[partition]!.ackedOffset) {
        await this.rewind('the broker puts new records where it had others', true);
        return undefined;
      }
      const position = published.get(partition)!;
      acknowledged.push({ partition, position, offset: base + counts.get(partition)! - 1 });
    }
    // The client leaves out, without a word, what is for a partition that its metadata does not list.
    if (acknowledged.length < published.size) throw new PartitionUnknown();
    return acknowledged;
  }

  private async move({ through }: RelayBatch, acknowledged: Acknowledged[]): Promise<boolean> {
    const { cursor, published } = this.state;
    const rewindWanted = await this.parts.store.move(this.epoch, cursor, through, acknowledged);
    for (const { partition, position, offset } of acknowledged) {
      published[partition] = { position, ackedOffset: offset };
    }
    this.state.cursor = through;
    return rewindWanted;
  }

  /** Compares what the topic has with what it was given. The topic's side first: a cursor read later is no lower. */
  private async check(): Promise<void> {
    const { topic, cursors, groups } = this.parts;
    this.wantedPartitions = await topic.ensure(this.state.published.length);
    const standing = await topic.standing(groups());
    if (isShort(this.state, standing, await cursors.all('kafka'))) {
      await this.rewind('the topic lacks records');
    }
    this.checkedAt = performance.now();
  }

  private async rewind(reason: string, atOnce = false): Promise<void> {
    const now = performance.now();
    if (!atOnce && now - this.rewoundAt < betweenRewindsMs) return;
    this.rewoundAt = now;
    await this.replace(rewound(this.state, await this.parts.cursors.all('kafka')));
    const { topic, lap } = this.state;
    this.parts.logger.warn({ topic, lap, reason }, 'publishing again what consumers still lack');
  }

  /** @returns false while a group still has to consume what was published under the old count. */
  private async repartition(): Promise<boolean> {
    const { cursors, logger } = this.parts;
    const standing = await cursors.all('kafka');
    if (laggingPartitions(this.state, standing).size > 0) return false;
    const next = repartitioned(this.state, this.wantedPartitions);
    const all = next.published.map((_, partition) => partition);
    // The cursors first: a new partition's first record follows on what the relay has at this moment.
    for (const group of groupsOf(standing)) {
      await cursors.raise(group, 'kafka', all, this.state.cursor);
    }
    await this.replace(next);
    await this.close();
    await this.connect();
    logger.info({ topic: next.topic, partitions: all.length }, 'the topic has more partitions now');
    return true;
  }

  private async replace(next: RelayState): Promise<void> {
    await this.parts.store.replace(this.epoch, next);
    this.state = next;
  }
}

class PartitionUnknown extends Error {
  override readonly name = 'PartitionUnknown';
}

/** What another topic has acknowledged says nothing about this one. */
function onTopic(state: RelayState, topic: string): RelayState {
  const published = state.published.map(({ position }) => ({ position, ackedOffset: -1 }));
  return { ...state, topic, published };
}
