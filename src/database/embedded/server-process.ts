import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Binaries } from './binaries.js';
import type { DataPlace } from './data-place.js';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';
import { openServerLog, prepareServerLog, readServerLog } from './server-log.js';
import { cannotSwitchUser, spawnOptionsFor } from './server-account.js';

const READY_TIMEOUT_MS = 600_000;
const ATTEMPTS = 5;

export interface ServerProcess {
  port: number;
  child: ChildProcess;
}

/** Settings that the hub depends on; on the command line, where `postgresql.conf` cannot undo them. */
function settings(port: number, durable: boolean): string[] {
  const fixed: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    password_encryption: 'scram-sha-256',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_destination: 'stderr',
    logging_collector: 'off',
    // Privacy: the text of an error, a statement or a parameter may hold patient data. The hub gets every
    // error as the client anyway, so the server writes down only what concerns itself (LOG, FATAL, PANIC).
    log_min_messages: 'log',
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
    log_statement: 'none',
    log_checkpoints: 'off',
    log_parameter_max_length: '0',
    log_parameter_max_length_on_error: '0',
    // Commits still reach the operating system, so a killed server loses none; a machine without power may.
    ...(durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
  };
  return Object.entries(fixed).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/**
 * Starts the server and waits until it accepts connections; crash recovery may take its time.
 * @param fixedPort of a server that is to come back where its clients look for it; else any free one
 * @throws EmbeddedPostgresError `start_failed` with what the server said
 */
export async function startServerProcess(
  place: DataPlace,
  binaries: Binaries,
  durable: boolean,
  log: (message: string) => void,
  fixedPort?: number,
): Promise<ServerProcess> {
  for (let attempt = 1; ; attempt++) {
    const port = fixedPort ?? (await freePort());
    const logStart = await prepareServerLog(place);
    const child = await spawnServer(place, binaries, [
      '-D',
      place.data,
      ...settings(port, durable),
    ]);
    const dismiss = guard(child, place);
    try {
      await ready(child, place, log);
      return { port, child };
    } catch (error) {
      dismiss();
      const said = await readServerLog(place, logStart);
      // Another process can take the port between our look and the server's bind; and the backends of a
      // server that was killed may need a moment to notice.
      const passes = /could not bind|pre-existing shared memory block/.test(said);
      if (passes && attempt < ATTEMPTS) {
        await delay(attempt * 200);
        continue;
      }
      throw new EmbeddedPostgresError(
        'start_failed',
        `PostgreSQL did not start: ${(error as Error).message}. It said:\n${said.slice(-2000)}`,
        { cause: error },
      );
    }
  }
}

async function spawnServer(
  place: DataPlace,
  binaries: Binaries,
  args: string[],
): Promise<ChildProcess> {
  const output = await openServerLog(place);
  try {
    // A process group of its own: Ctrl-C in a terminal goes to the whole group of the hub, and the
    // server must outlive the hub's draining.
    const child = spawn(binaries.postgres, args, {
      ...spawnOptionsFor(place.account),
      detached: true,
      stdio: ['ignore', output.fd, output.fd],
    });
    await once(child, 'spawn');
    return child;
  } catch (error) {
    if (place.account) throw cannotSwitchUser(place.account.name, error);
    throw new EmbeddedPostgresError('start_failed', `PostgreSQL did not start: ${String(error)}`);
  } finally {
    await output.close();
  }
}

/**
 * Ends the server when the hub dies without doing so itself, kill -9 included: a shell waits on a pipe
 * that only the hub holds open. The pid file says whether the pid is still that of this server.
 */
function guard(server: ChildProcess, place: DataPlace): () => void {
  const script =
    'read -r dismissed || { read -r pid < "$2" && [ "$pid" = "$1" ] && kill -INT "$1"; }';
  const args = ['-c', script, 'sh', String(server.pid), join(place.data, 'postmaster.pid')];
  const shell = spawn('/bin/sh', args, {
    ...spawnOptionsFor(place.account),
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  shell.on('error', () => undefined);
  shell.stdin.on('error', () => undefined);
  const dismiss = () => shell.stdin.end('dismissed\n');
  server.once('exit', dismiss);
  shell.unref();
  (shell.stdin as Socket).unref();
  return dismiss;
}

async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (!address || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** The server says in line 8 of its pid file when it accepts connections; pg_ctl waits in the same way. */
async function ready(
  child: ChildProcess,
  place: DataPlace,
  log: (message: string) => void,
): Promise<void> {
  const started = performance.now();
  let told = started;
  for (;;) {
    if (hasEnded(child)) throw new Error(`it ended with ${child.exitCode ?? child.signalCode}`);
    const lines = await readFile(join(place.data, 'postmaster.pid'), 'utf8').then(
      (text) => text.split('\n'),
      () => [],
    );
    if (Number(lines[0]) === child.pid && lines[7]?.trim() === 'ready') return;
    const now = performance.now();
    if (now - started > READY_TIMEOUT_MS) {
      child.kill('SIGINT');
      throw new Error(`it was not ready after ${READY_TIMEOUT_MS / 1000} s`);
    }
    if (now - told > 10_000) {
      told = now;
      log(`PostgreSQL is still starting (after a crash it replays its log first)`);
    }
    await delay(20);
  }
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
