import { Kafka, logLevel, type Admin, type KafkaMessage, type Message } from 'kafkajs';

const client = (brokers: string) =>
  new Kafka({ clientId: 'spec', brokers: [brokers], logLevel: logLevel.NOTHING });

/** What an operator does to the brokers behind the hub's back. */
export async function withAdmin<T>(
  brokers: string,
  work: (admin: Admin) => Promise<T>,
): Promise<T> {
  const admin = client(brokers).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

/** A foreign producer. */
export async function produce(brokers: string, topic: string, messages: Message[]): Promise<void> {
  const producer = client(brokers).producer({
    createPartitioner: () => (m) => m.message.partition!,
  });
  await producer.connect();
  await producer.send({ topic, messages });
  await producer.disconnect();
}

/** Every record that the topic holds, partition by partition in order of its offset. */
export async function recordsOf(
  brokers: string,
  topic: string,
): Promise<(KafkaMessage & { partition: number })[]> {
  const extents = await withAdmin(brokers, (admin) => admin.fetchTopicOffsets(topic));
  const missing = new Map(
    extents.filter((e) => e.low !== e.high).map((e) => [e.partition, e.high]),
  );
  const records: (KafkaMessage & { partition: number })[] = [];
  if (missing.size === 0) return records;
  const consumer = client(brokers).consumer({ groupId: `${topic}.reader`, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        autoCommit: false,
        eachMessage: async ({ message, partition }) => {
          records.push({ ...message, partition });
          if (Number(message.offset) + 1 >= Number(missing.get(partition)))
            missing.delete(partition);
          if (missing.size === 0) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return records.toSorted((a, b) => a.partition - b.partition);
}
