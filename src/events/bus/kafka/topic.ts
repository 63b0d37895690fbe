import type { Admin } from 'kafkajs';
import { Injectable } from '@nestjs/common';
import { Logger } from '../../../platform/logger.js';
import { Settings } from '../../../platform/settings.js';
import { kafkaClient } from './client.js';
import { retentionMs, shortenRetention } from './topic-retention.js';

/** What of the topic a consumer can still read, in offsets. */
export interface Extent {
  low: number;
  /** Where the next record will lie. */
  high: number;
}

export interface TopicStanding {
  /** By partition. */
  extents: Extent[];
  /** By group and partition: the offset at which it will read on, negative where it has committed none. */
  committed: Map<string, number[]>;
}

/** The topic on the brokers: made where it is missing, and looked at. Every method throws while they are away. */
@Injectable()
export class Topic {
  private isRetentionLookedAt = false;

  constructor(
    private readonly settings: Settings,
    private readonly logger: Logger,
  ) {}

  get name(): string {
    return this.settings.kafkaTopic;
  }

  /** The group's name at the brokers. */
  groupId(group: string): string {
    return `practice-event-hub.${this.name}.${group}`;
  }

  /**
   * Makes the topic with `partitions`, or adds those it lacks; it keeps nothing longer than the log does.
   * @returns how many it has, which may be more.
   */
  async ensure(partitions: number): Promise<number> {
    return this.withAdmin(async (admin) => {
      const found = await this.countPartitions(admin);
      if (found === 0) await this.create(admin, partitions);
      else await this.lookAtRetention(admin);
      if (found > 0 && found < partitions) {
        await admin.createPartitions({
          topicPartitions: [{ topic: this.name, count: partitions }],
        });
      }
      return Math.max(found, partitions);
    });
  }

  /** What of the topic is there, and what the groups have read of it. */
  async standing(groups: readonly string[]): Promise<TopicStanding> {
    return this.withAdmin(async (admin) => {
      const extents: Extent[] = [];
      for (const { partition, low, high } of await admin.fetchTopicOffsets(this.name)) {
        extents[partition] = { low: Number(low), high: Number(high) };
      }
      const committed = new Map<string, number[]>();
      for (const group of groups) {
        const groupId = this.groupId(group);
        const [topic] = await admin.fetchOffsets({ groupId, topics: [this.name] });
        const offsets: number[] = [];
        for (const { partition, offset } of topic!.partitions) offsets[partition] = Number(offset);
        committed.set(group, offsets);
      }
      return { extents, committed };
    });
  }

  private async countPartitions(admin: Admin): Promise<number> {
    try {
      const { topics } = await admin.fetchTopicMetadata({ topics: [this.name] });
      return topics[0]?.partitions.length ?? 0;
    } catch (error) {
      if ((error as { type?: string }).type === 'UNKNOWN_TOPIC_OR_PARTITION') return 0;
      throw error;
    }
  }

  private async create(admin: Admin, partitions: number): Promise<void> {
    const replicationFactor = this.settings.kafkaReplication;
    const created = await admin.createTopics({
      waitForLeaders: true,
      topics: [
        {
          topic: this.name,
          numPartitions: partitions,
          replicationFactor,
          configEntries: [
            { name: 'retention.ms', value: String(retentionMs(this.settings.eventRetentionDays)) },
            // With three copies an acknowledged record survives the loss of any one broker.
            ...(replicationFactor >= 3 ? [{ name: 'min.insync.replicas', value: '2' }] : []),
          ],
        },
      ],
    });
    if (created)
      this.logger.info({ topic: this.name, partitions, replicationFactor }, 'topic made');
  }

  /** Once for each hub. One that may not change the topic goes on, and says so. */
  private async lookAtRetention(admin: Admin): Promise<void> {
    if (this.isRetentionLookedAt) return;
    this.isRetentionLookedAt = true;
    const { eventRetentionDays: days } = this.settings;
    const topic = this.name;
    try {
      if (await shortenRetention(admin, topic, retentionMs(days))) {
        this.logger.info({ topic, days }, 'the topic keeps records as long as the log now');
      }
    } catch (error) {
      this.logger.warn(
        { err: error, topic, days },
        'the topic may keep records longer than the log: set its retention.ms',
      );
    }
  }

  private async withAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = kafkaClient(this.settings, this.logger).admin();
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect().catch(() => undefined);
    }
  }
}
