import { recordsOf } from './kafka-admin.js';

export interface TopicText {
  /** The event's id. */
  id: string;
  /** What the event says in the record. */
  data: Record<string, unknown>;
  /** The whole record: its key, its headers, and its value without what may be told. */
  text: string;
}

/**
 * Every record of a topic as text, to search it.
 * @param mayTell by family of event types, names of fields whose content is left out of the text
 */
export async function textsOfTopic(
  brokers: string,
  topic: string,
  mayTell: Record<string, readonly string[]>,
): Promise<TopicText[]> {
  const records = await recordsOf(brokers, topic);
  return records.map(({ key, value, headers = {} }) => {
    const named = Object.entries(headers).map(([name, content]) => `${name}: ${String(content)}`);
    const data = JSON.parse(String(value)) as Record<string, unknown>;
    const [family] = String(headers.ce_type).split('.');
    const told = new Set(mayTell[family!]);
    const rest = JSON.stringify(data, (name, member: unknown) =>
      told.has(name) ? undefined : member,
    );
    return { id: String(headers.ce_id), data, text: [String(key), ...named, rest].join('\n') };
  });
}
