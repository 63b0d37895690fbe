import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { EmbeddedPostgresError, USE_ANOTHER_SERVER } from './embedded-postgres-error.js';

const execFileAsync = promisify(execFile);

/** The unprivileged account that PostgreSQL runs as when the hub is root; null means "as the hub". */
export type ServerAccount = { name: string; uid: number; gid: number } | null;

/** `postgres` exists for this purpose; `nobody` is on every Unix. */
const CANDIDATES = ['postgres', 'nobody'];

export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** An existing unprivileged account for PostgreSQL. @throws EmbeddedPostgresError `no_server_account` */
export async function findServerAccount(): Promise<NonNullable<ServerAccount>> {
  for (const name of CANDIDATES) {
    try {
      const [uid, gid] = await Promise.all([id('-u', name), id('-g', name)]);
      if (uid > 0 && gid > 0) return { name, uid, gid };
    } catch {
      // No such user: the next one.
    }
  }
  throw new EmbeddedPostgresError(
    'no_server_account',
    `PostgreSQL refuses to run as root, and there is no user named ${CANDIDATES.join(' or ')} to run it as. ` +
      `Start the hub as an ordinary user, create a user named postgres, or ${USE_ANOTHER_SERVER}.`,
  );
}

async function id(flag: string, name: string): Promise<number> {
  const { stdout } = await execFileAsync('id', [flag, name]);
  return Number.parseInt(stdout, 10);
}

/**
 * Nothing of the hub's environment reaches PostgreSQL: `PG*` variables would change what it does, and
 * the hub's secrets have no business in another process. LC_ALL=C keeps its messages recognisable.
 */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const { PATH, LD_LIBRARY_PATH } = process.env;
  return { PATH, ...(LD_LIBRARY_PATH && { LD_LIBRARY_PATH }), LANG: 'C', LC_ALL: 'C', TZ: 'UTC' };
}

/** Spawn options that put a child into the account. '/' as folder: the hub's own may be private. */
export function spawnOptionsFor(account: ServerAccount) {
  return {
    cwd: '/',
    env: serverEnvironment(),
    ...(account && { uid: account.uid, gid: account.gid }),
  };
}

/**
 * Runs a program as the account and waits for its end.
 * @throws EmbeddedPostgresError `cannot_switch_user` when root lacks the right to change user.
 */
export async function runAs(
  account: ServerAccount,
  file: string,
  args: string[],
  timeoutMs: number,
): Promise<{ ok: boolean; output: string }> {
  const options = { ...spawnOptionsFor(account), timeout: timeoutMs, maxBuffer: 1024 * 1024 };
  try {
    const { stdout, stderr } = await execFileAsync(file, args, options);
    return { ok: true, output: `${stdout}${stderr}` };
  } catch (error) {
    const failed = error as Error & { code?: unknown; stdout?: string; stderr?: string };
    // setuid itself fails with EPERM (no capability) or EINVAL (no such user in this namespace).
    if (account && (failed.code === 'EPERM' || failed.code === 'EINVAL')) {
      throw cannotSwitchUser(account.name, error);
    }
    return { ok: false, output: `${failed.stdout ?? ''}${failed.stderr ?? ''}` || failed.message };
  }
}

export function cannotSwitchUser(name: string, cause: unknown): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    'cannot_switch_user',
    `PostgreSQL refuses to run as root, and this root may not act as the user ${name} (are capabilities ` +
      `dropped, or is this a user namespace with one user?). Start the hub as an ordinary user, or ${USE_ANOTHER_SERVER}.`,
    { cause },
  );
}
