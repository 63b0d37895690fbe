import kafkajs, { type Admin } from 'kafkajs';

const dayMs = 86_400_000;
const name = 'retention.ms';

/** The topic outlives the log's events by nothing: what it carries stands outside of what the hub encrypts. */
export function retentionMs(eventRetentionDays: number): number {
  return eventRetentionDays * dayMs;
}

/**
 * Shortens a topic's retention where it keeps records longer than that, or for ever; one that keeps them shorter is
 * left as it is.
 * @returns whether it was shortened. Throws where the broker does not let the hub change it.
 */
export async function shortenRetention(
  admin: Admin,
  topic: string,
  mostMs: number,
): Promise<boolean> {
  const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name: topic };
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [resource],
  });
  const entries = resources[0]!.configEntries;
  const found = Number(entries.find(({ configName }) => configName === name)?.configValue ?? -1);
  if (found >= 0 && found <= mostMs) return false;
  // This call sets all of a topic's own settings: those that it has stay.
  const own = entries.filter(
    ({ configName, configSource }) => configSource === topicConfig && configName !== name,
  );
  await admin.alterConfigs({
    validateOnly: false,
    resources: [
      {
        ...resource,
        configEntries: [
          ...own.map(({ configName, configValue }) => ({ name: configName, value: configValue })),
          { name, value: String(mostMs) },
        ],
      },
    ],
  });
  return true;
}

/** What was set for the topic itself, not for its broker or by default (KIP-226). */
const topicConfig = 1;
