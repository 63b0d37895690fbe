/**
 * What orders an event: its practice, else (an event of no practice) its subject. Events with the same key lie in
 * one partition.
 */
export function keyOf(event: { practiceId: string | null; subject: string }): string {
  return event.practiceId ?? event.subject;
}

/**
 * The partition of a key among `partitions`, as Kafka's default partitioner has it, so that other producers' keys
 * agree with ours. Here and not in the Kafka client: the count is the one the relay has stored, not whatever the
 * topic has at the moment, and the embedded log asks too when it takes over from Kafka.
 */
export function partitionOf(key: string, partitions: number): number {
  return (murmur2(Buffer.from(key)) & 0x7fffffff) % partitions;
}

const multiplier = 0x5bd1e995;
const seed = 0x9747b28c;

/** MurmurHash2, 32 bit, with the seed that Kafka's clients share. */
function murmur2(bytes: Buffer): number {
  const whole = bytes.length & ~3;
  let hash = seed ^ bytes.length;
  for (let at = 0; at < whole; at += 4) {
    let word = Math.imul(bytes.readInt32LE(at), multiplier);
    word = Math.imul(word ^ (word >>> 24), multiplier);
    hash = Math.imul(hash, multiplier) ^ word;
  }
  if (whole < bytes.length) {
    for (let at = bytes.length - 1; at >= whole; at -= 1) hash ^= bytes[at]! << (8 * (at - whole));
    hash = Math.imul(hash, multiplier);
  }
  hash = Math.imul(hash ^ (hash >>> 13), multiplier);
  return hash ^ (hash >>> 15);
}
