import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { transformFile } from '@swc/core';

const cache = join('.cache', 'test-hub');
const keepMs = 24 * 3_600_000;

/**
 * The hub as JavaScript, for tests that run it in a process of its own; resolves to the folder. Compiled as
 * `npm run build` does it but without the type check, and beside it: a test must not replace what somebody serves.
 * The folder's name stands for the sources' state, so that two runs at once never see each other's half-made one.
 */
export async function buildTestHub(source = process.cwd()): Promise<string> {
  // Processes are started with it from elsewhere.
  const root = resolve(source);
  const sources = await listSources(root);
  const folder = join(root, cache, keyOf(sources));
  const now = new Date();
  const isThere = await utimes(folder, now, now).then(
    () => true,
    () => false,
  );
  if (!isThere) await compile(root, folder, sources);
  await removeOld(join(root, cache));
  return folder;
}

interface Source {
  path: string;
  state: string;
}

async function listSources(root: string): Promise<Source[]> {
  const paths = (await readdir(join(root, 'src'), { recursive: true }))
    .filter((path) => path.endsWith('.ts') && !/\.(spec|contract)\.ts$/.test(path))
    .map((path) => join('src', path));
  return Promise.all(
    [...paths.sort(), '.swcrc'].map(async (path) => {
      const { mtimeMs, size } = await stat(join(root, path));
      return { path, state: `${path} ${mtimeMs} ${size}` };
    }),
  );
}

function keyOf(sources: readonly Source[]): string {
  const text = sources.map(({ state }) => state).join('\n');
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

async function compile(root: string, folder: string, sources: readonly Source[]): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  const beside = await mkdtemp(`${folder}.`);
  const modules = sources.filter(({ path }) => path.endsWith('.ts'));
  await Promise.all(
    modules.map(async ({ path }) => {
      const { code } = await transformFile(join(root, path), { cwd: root, sourceMaps: 'inline' });
      const target = join(beside, path.slice('src/'.length).replace(/\.ts$/, '.js'));
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, code);
    }),
  );
  await rename(beside, folder).catch(async (error: NodeJS.ErrnoException) => {
    await rm(beside, { recursive: true });
    // Another run has just made the same.
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
  });
}

async function removeOld(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > keepMs)
      await rm(path, { recursive: true, force: true });
  }
}
