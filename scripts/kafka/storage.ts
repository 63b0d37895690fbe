import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { exec, QUICK_START } from './java.js';

export const BROKER_CLASS = 'kafka.Kafka';
const FORMAT_TIMEOUT_MS = 60_000;

/** What a broker keeps in its folder. */
export function brokerFiles(dataDir: string) {
  return {
    config: path.join(dataDir, 'server.properties'),
    data: path.join(dataDir, 'data'),
    log: path.join(dataDir, 'broker.log'),
    pid: path.join(dataDir, 'broker.pid'),
  };
}

/** Formats the folder's storage once, for a cluster of its own. Answers the cluster's id. */
export async function formatStorage(
  java: string,
  jars: string,
  dataDir: string,
  signal?: AbortSignal,
): Promise<string> {
  const { data } = brokerFiles(dataDir);
  if (dataDir.includes(',')) throw new Error(`Kafka takes no folder with a comma: ${dataDir}`);
  if (!existsSync(data)) {
    await mkdir(dataDir, { recursive: true });
    // Formatted elsewhere and renamed: Kafka refuses a half-formatted folder for ever.
    const incoming = path.join(dataDir, `incoming-${randomBytes(4).toString('hex')}`);
    const config = `${incoming}.properties`;
    try {
      await writeFile(config, serverProperties({ data: incoming, port: 1, controllerPort: 2 }));
      const id = randomBytes(16).toString('base64url');
      const tool = [QUICK_START, '-cp', path.join(jars, '*'), 'kafka.tools.StorageTool'];
      await exec(java, [...tool, 'format', `--cluster-id=${id}`, '-c', config], {
        timeout: FORMAT_TIMEOUT_MS,
        maxBuffer: 16_777_216,
        ...(signal && { signal }),
      });
      await rename(incoming, data);
    } finally {
      await rm(incoming, { recursive: true, force: true });
      await rm(config, { force: true });
    }
  }
  const meta = await readFile(path.join(data, 'meta.properties'), 'utf8');
  return /^cluster\.id=(.+)$/m.exec(meta)?.[1]?.trim() ?? '';
}

/** One node that is broker and controller, on loopback only, sized for a laptop. */
export function serverProperties(at: { data: string; port: number; controllerPort: number }) {
  const properties = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${at.controllerPort}`,
    listeners: `BROKER://127.0.0.1:${at.port},CONTROLLER://127.0.0.1:${at.controllerPort}`,
    'advertised.listeners': `BROKER://127.0.0.1:${at.port}`,
    'listener.security.protocol.map': 'BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'BROKER',
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': at.data,
    'offsets.topic.replication.factor': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    // The default waits three seconds for more members whenever an empty group gets its first.
    'group.initial.rebalance.delay.ms': 0,
    // Topics are the hub's to create; one made by a typo would hide that it did not.
    'auto.create.topics.enable': false,
    // After a kill -9 the broker is let in again only when its former session has ended: the default
    // of 9 s made a restart take 14 s, this one takes 7 s, on two busy cores.
    'broker.session.timeout.ms': 4_000,
    'broker.heartbeat.interval.ms': 500,
    // The default takes a quarter of the 512 MB heap for compaction.
    'log.cleaner.dedupe.buffer.size': 16_777_216,
  };
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${escapeProperty(String(value))}\n`)
    .join('');
}

/**
 * Starts the process that may use the folder: `spawn` returns its id. Throws when another one uses it.
 * Kafka's own lock comes too late: tried with 4.3.1, a second broker on the same folder wrote into
 * the metadata log of the first, which was corrupt from there on and cut off at the next start.
 */
export function claimFolder(dataDir: string, spawn: () => number): void {
  const file = brokerFiles(dataDir).pid;
  let handle: number;
  try {
    handle = openSync(file, 'wx');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const pid = Number(readFileSync(file, 'utf8'));
    if (isBroker(pid)) {
      throw new Error(
        `Process ${pid} is a Kafka that uses ${dataDir} (says ${file}). End it first.`,
        { cause: error },
      );
    }
    rmSync(file, { force: true });
    handle = openSync(file, 'wx');
  }
  try {
    writeFileSync(handle, String(spawn()));
  } finally {
    closeSync(handle);
  }
}

/** Process ids are reused, so one that is alive is asked for its command line, where there is a `ps`. */
function isBroker(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  try {
    const args = execFileSync('ps', ['-ww', '-o', 'args=', '-p', String(pid)], { timeout: 5_000 });
    return args.includes(BROKER_CLASS);
  } catch {
    return true;
  }
}

/** Java reads properties as ISO 8859-1 and takes a backslash as an escape. */
function escapeProperty(value: string): string {
  return value
    .replaceAll('\\', '\\\\')
    .replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
