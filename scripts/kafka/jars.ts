import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { exec, KafkaUnavailable } from './java.js';

const POM = fileURLToPath(new URL('./pom.xml', import.meta.url));
const FETCH_TIMEOUT_MS = 600_000;
const ABANDONED_AFTER_MS = 2 * FETCH_TIMEOUT_MS;

export interface FetchOptions {
  log: (line: string) => void;
  signal?: AbortSignal;
}

/** The Apache Kafka version that pom.xml names. */
export function kafkaVersion(): string {
  const version = /<kafka\.version>([^<]+)</.exec(readFileSync(POM, 'utf8'))?.[1];
  if (!version) throw new Error(`${POM} names no kafka.version`);
  return version;
}

/**
 * The folder of Kafka's jars in the user's cache; resolves them with Maven the first time.
 * Throws KafkaUnavailable when Maven is missing or cannot fetch them.
 */
export async function kafkaJars({ log, signal }: FetchOptions): Promise<string> {
  const jars = jarsFolder();
  if (existsSync(jars)) return jars;
  await requireMaven();
  const started = performance.now();
  log(`fetching Kafka's jars, once, about 44 MB, into ${jars} ...`);
  const cache = path.dirname(jars);
  await mkdir(cache, { recursive: true }).catch((error: Error) => {
    throw new KafkaUnavailable(`Cannot write ${cache} (${error.message}). Set XDG_CACHE_HOME.`);
  });
  await removeAbandoned(cache);
  // Next to its final place, because a rename is atomic only within one file system. Whoever finds
  // the final folder finds it whole, however the first run ended.
  const incoming = await mkdtemp(`${jars}.incoming-`);
  try {
    await copyDependencies(incoming, signal);
    await rename(incoming, jars).catch((error: unknown) => {
      // Another process was faster. What it fetched is the same.
      if (!existsSync(jars)) throw error;
    });
  } finally {
    await rm(incoming, { recursive: true, force: true });
  }
  log(`fetched in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return jars;
}

/** True when `kafkaJars` would not have to fetch. */
export function jarsAreCached(): boolean {
  return existsSync(jarsFolder());
}

/** Throws KafkaUnavailable where there is no Maven. */
export async function requireMaven(): Promise<void> {
  try {
    await exec('mvn', ['--version'], { timeout: 30_000 });
  } catch {
    throw new KafkaUnavailable(
      "Kafka's jars are fetched with Maven (mvn), which is not on the PATH or does not work. " +
        'Install it, or set KAFKA_BROKERS to a running Kafka.',
    );
  }
}

/** Keyed by the pom's content too: a changed logging binding is another set of jars. */
function jarsFolder(): string {
  const xdg = process.env.XDG_CACHE_HOME;
  // The XDG base directory specification: a relative path is invalid and to be ignored.
  const base = xdg && path.isAbsolute(xdg) ? xdg : path.join(os.homedir(), '.cache');
  const content = createHash('sha256').update(readFileSync(POM)).digest('hex').slice(0, 8);
  return path.join(base, 'practice-event-hub', `kafka-${kafkaVersion()}-${content}`);
}

async function copyDependencies(folder: string, signal?: AbortSignal): Promise<void> {
  const args = ['-B', '-q', '-f', POM, 'dependency:copy-dependencies'];
  args.push('-DincludeScope=runtime', `-DoutputDirectory=${folder}`);
  try {
    await exec('mvn', args, { timeout: FETCH_TIMEOUT_MS, ...(signal && { signal }) });
  } catch (error) {
    signal?.throwIfAborted();
    const { stdout = '', message } = error as Error & { stdout?: string };
    const reason = /\[ERROR\] .+/.exec(stdout)?.[0] ?? message;
    throw new KafkaUnavailable(
      `Maven could not fetch Kafka's jars: ${reason}\n` +
        'Check the network and Maven settings, or set KAFKA_BROKERS to a running Kafka.',
    );
  }
}

/** Folders of fetches that were killed. The age leaves alone a fetch that still runs elsewhere. */
async function removeAbandoned(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (!name.includes('.incoming-')) continue;
    const folder = path.join(cache, name);
    const found = await stat(folder).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > ABANDONED_AFTER_MS) {
      await rm(folder, { recursive: true, force: true });
    }
  }
}
