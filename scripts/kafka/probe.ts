import { Kafka, logLevel } from 'kafkajs';

/**
 * Asks for the cluster's metadata once. Answers the cluster's id when a broker serves requests and
 * has registered itself; throws otherwise, after about two seconds at most.
 */
export async function clusterId(brokers: string): Promise<string> {
  const kafka = new Kafka({
    clientId: 'probe',
    brokers: brokers.split(','),
    connectionTimeout: 1_000,
    requestTimeout: 1_000,
    retry: { retries: 0 },
    logLevel: logLevel.NOTHING,
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    const cluster = await admin.describeCluster();
    if (cluster.brokers.length === 0) throw new Error(`${brokers} has no broker registered yet`);
    return cluster.clusterId;
  } finally {
    await admin.disconnect();
  }
}
