import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { buildIfNeeded } from '../scripts/start.mjs';

const startedWithinMs = 90_000;
const stopWithinMs = 30_000;

export interface HubProcess {
  url: string;
  pid: number;
  stop(): Promise<void>;
}

/** Starts the hub as its operator does, in a process of its own, and waits until it says that it is ready. */
export async function startHubProcess(settings: Record<string, string>): Promise<HubProcess> {
  buildIfNeeded();
  const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
  // The flag of `npm start`: young objects get room, which spares a quarter of a loaded hub's time.
  const child = spawn(process.execPath, ['--max-semi-space-size=32', main], {
    env: { ...process.env, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  // However this process ends, the hub goes with it; its database ends with the hub.
  const end = () => child.kill('SIGTERM');
  process.once('exit', end);
  const stop = async () => {
    process.off('exit', end);
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), stopWithinMs);
    await exited;
    clearTimeout(timer);
  };
  try {
    return { url: await readyAt(child, exited), pid: child.pid!, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function readyAt(child: ChildProcess, exited: Promise<void>): Promise<string> {
  let output = '';
  const ready = new Promise<string>((resolve) => {
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      const line = /is ready at (\S+)/.exec(output);
      if (line) resolve(line[1]!);
    };
    child.stdout!.on('data', read);
    child.stderr!.on('data', read);
  });
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`not ready in time:\n${output}`)), startedWithinMs).unref();
  });
  const gone = exited.then(() => {
    throw new Error(`the hub ended at once:\n${output}`);
  });
  return Promise.race([ready, late, gone]);
}
