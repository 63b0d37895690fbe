import { describeWithKafka, kafkaBrokers, uniqueTopic } from '../../../../test/support/kafka.js';
import { describeEventBus } from '../event-bus.contract.js';

describeWithKafka('over Kafka', () => {
  describeEventBus('kafka', () => ({
    KAFKA_BROKERS: kafkaBrokers(),
    HUB_KAFKA_TOPIC: uniqueTopic('contract'),
    HUB_KAFKA_PARTITIONS: '4',
  }));
});
