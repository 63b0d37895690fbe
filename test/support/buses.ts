import { describe } from '@jest/globals';
import { describeWithKafka, kafkaBrokers, uniqueTopic } from './kafka.js';

export interface Bus {
  kind: 'log' | 'kafka';
  /** Of hubs that are to share events: a topic of their own, where there are topics. In hooks and tests. */
  settings(): Record<string, string>;
}

/** Registers the tests twice: for hubs on the embedded log, and for hubs on a real Kafka. */
export function describeOnBothBuses(name: string, tests: (bus: Bus) => void): void {
  describe(`${name}, over the embedded log`, () => tests({ kind: 'log', settings: () => ({}) }));
  describeWithKafka(`${name}, over Kafka`, () =>
    tests({
      kind: 'kafka',
      settings: () => ({
        KAFKA_BROKERS: kafkaBrokers(),
        HUB_KAFKA_TOPIC: uniqueTopic('journey'),
        HUB_KAFKA_PARTITIONS: '4',
      }),
    }),
  );
}
