import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Binaries } from './binaries.js';
import type { DataPlace } from './data-place.js';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';
import { openServerLog, readServerLog } from './server-log.js';
import { cannotSwitchUser, spawnOptionsFor } from './server-account.js';

const READY_TIMEOUT_MS = 600_000;
const PORT_ATTEMPTS = 5;

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
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  return Object.entries(fixed).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/**
 * Starts the server and waits until it accepts connections; crash recovery may take its time.
 * @throws EmbeddedPostgresError `start_failed` with what the server said
 */
export async function startServerProcess(
  place: DataPlace,
  binaries: Binaries,
  durable: boolean,
  log: (message: string) => void,
): Promise<ServerProcess> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const output = await openServerLog(place);
    const child = spawn(
      binaries.postgres,
      ['-D', place.data, ...settings(port, durable)],
      // A process group of its own: Ctrl-C in a terminal goes to the whole group of the hub, and the
      // server must outlive the hub's draining.
      {
        ...spawnOptionsFor(place.account),
        detached: true,
        stdio: ['ignore', output.fd, output.fd],
      },
    );
    await spawned(child, place);
    await output.close();
    try {
      await ready(child, place, log);
      return { port, child };
    } catch (error) {
      const said = await readServerLog(place, output.start);
      // Between our look for a free port and the server's bind, another process can take the port.
      if (/could not bind|Address already in use/.test(said) && attempt < PORT_ATTEMPTS) continue;
      throw new EmbeddedPostgresError(
        'start_failed',
        `PostgreSQL did not start: ${(error as Error).message}. It said:\n${said.slice(-2000)}`,
        { cause: error },
      );
    }
  }
}

async function spawned(child: ChildProcess, place: DataPlace): Promise<void> {
  try {
    await once(child, 'spawn');
  } catch (error) {
    if (place.account) throw cannotSwitchUser(place.account.name, error);
    throw new EmbeddedPostgresError('start_failed', `PostgreSQL did not start: ${String(error)}`);
  }
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
