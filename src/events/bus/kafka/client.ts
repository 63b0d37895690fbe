import { readFileSync } from 'node:fs';
import { Kafka, logLevel, type KafkaConfig, type logCreator } from 'kafkajs';
import type { Logger } from '../../../platform/logger.js';
import type { Settings } from '../../../platform/settings.js';
import { useFastCodecs } from './kafkajs-protocol.js';

/** A client of the brokers that the settings name. Each connection's owner makes one of its own. */
export function kafkaClient(settings: Settings, logger: Logger, requestTimeout = 10_000): Kafka {
  useFastCodecs();
  return new Kafka({
    ...clientConfig(settings),
    requestTimeout,
    // Whoever uses the client begins anew with a pause; long retries in here would only hide that it fails.
    retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 4 },
    logLevel: logLevel.INFO,
    logCreator: () => logCreatorFor(logger),
  });
}

/** @throws where the certificate authority's file cannot be read. */
export function clientConfig(settings: Settings): KafkaConfig {
  const { kafkaSaslMechanism: mechanism, kafkaTlsCaFile: caFile } = settings;
  return {
    clientId: 'practice-event-hub',
    brokers: settings.kafkaBrokers!,
    connectionTimeout: 3000,
    ssl: settings.kafkaTls && (caFile ? { ca: [readFileSync(caFile, 'utf8')] } : true),
    ...(mechanism && {
      sasl: {
        mechanism: mechanism as 'plain',
        username: settings.kafkaSaslUsername!,
        password: settings.kafkaSaslPassword!,
      },
    }),
  };
}

/** What the client may add to a line. Its own objects stay out: some hold the bytes of messages. */
const shown = ['broker', 'groupId', 'topic', 'partition', 'retryCount', 'retryTime'] as const;

/**
 * The client's own lines, for whoever looks for details: what it calls an error is either retried and passes (at the
 * first contact with a fresh cluster always), or reaches the hub as one, which then says so itself.
 */
function logCreatorFor(logger: Logger): ReturnType<logCreator> {
  return ({ namespace, log }) => {
    const fields: Record<string, unknown> = { kafka: namespace };
    for (const name of shown) if (log[name] !== undefined) fields[name] = log[name];
    logger.debug(fields, log.message);
  };
}
