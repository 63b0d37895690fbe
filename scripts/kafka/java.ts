import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

export const exec = promisify(execFile);

/** Kafka 4 brokers are compiled for Java 17. */
const MINIMUM_JAVA = 17;

/** Java's first compiler only, whose code is there sooner and slower. */
export const QUICK_START = '-XX:TieredStopAtLevel=1';

/** No broker can be started on this machine as it is; the message says what to do about it. */
export class KafkaUnavailable extends Error {
  override name = 'KafkaUnavailable';
}

/**
 * The `java` to run: that of JAVA_HOME, else the one on the PATH.
 * Throws KafkaUnavailable when there is none, or it is older than Java 17.
 */
export async function findJava(): Promise<string> {
  const home = process.env.JAVA_HOME;
  const java = home ? path.join(home, 'bin', 'java') : 'java';
  const where = home ? `JAVA_HOME (${home})` : 'the PATH';
  const advice = `Install Java ${MINIMUM_JAVA} or later, or set KAFKA_BROKERS to a running Kafka.`;
  let said: string;
  try {
    said = (await exec(java, ['-version'], { timeout: 20_000 })).stderr;
  } catch {
    throw new KafkaUnavailable(`Kafka runs on Java, and ${where} has no working one. ${advice}`);
  }
  const version = /version "(\d+)(?:\.(\d+))?/.exec(said);
  // Before Java 9 the version began with "1.", as in 1.8.
  const major = Number(version?.[1] === '1' ? version[2] : version?.[1]);
  if (major < MINIMUM_JAVA) {
    throw new KafkaUnavailable(
      `Kafka needs Java ${MINIMUM_JAVA}, ${where} has ${major}. ${advice}`,
    );
  }
  return java;
}
