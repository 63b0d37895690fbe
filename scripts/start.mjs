// `npm start`: builds where the build is missing or older than the sources, then runs the hub in this process, so
// that signals reach it and nothing stands between.
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const built = join(root, 'dist/main.js');

function newestChange(folder) {
  let newest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile() && !/\.(spec|contract)\.ts$/.test(entry.name)) {
      newest = Math.max(newest, statSync(join(entry.parentPath, entry.name)).mtimeMs);
    }
  }
  return newest;
}

export function buildIfNeeded() {
  const age = statSync(built, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (age > newestChange(join(root, 'src'))) return;
  // Beside the output, which is a command's result alone: `npm run --silent audit -- export > trail.ndjson`.
  process.stderr.write('Building the hub (once, about ten seconds) …\n');
  mkdirSync(join(root, '.cache'), { recursive: true });
  const aside = mkdtempSync(join(root, '.cache/build-'));
  // As deep as `dist`, since source maps name their sources by relative paths.
  const made = mkdtempSync(join(root, 'dist.'));
  const status = build(aside, made);
  if (status === 0) putInPlace(made, join(aside, 'former'));
  for (const folder of [aside, made]) rmSync(folder, { recursive: true, force: true });
  if (status === 0) return;
  process.stderr.write('The build failed; `npm run build` shows why.\n');
  process.exit(1);
}

// Into a folder of its own, which is put in the place of `dist` as a whole: a hub that runs from there, another process
// that builds at the same time, and whoever comes after a build that was cut short find a whole one or none.
function build(aside, made) {
  const config = join(aside, 'tsconfig.json');
  const options = {
    extends: relative(aside, join(root, 'tsconfig.build.json')),
    compilerOptions: { outDir: made },
  };
  writeFileSync(config, JSON.stringify(options));
  const nest = join(root, 'node_modules/@nestjs/cli/bin/nest.js');
  return spawnSync(process.execPath, [nest, 'build', '--path', relative(root, config)], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  }).status;
}

function putInPlace(made, former) {
  try {
    renameSync(dirname(built), former);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  try {
    renameSync(made, dirname(built));
  } catch (error) {
    // Another process has just put the same there.
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
  }
}

// npm passes a SIGTERM on to the shell it started, which dies of it and tells nobody: the hub would outlive `npm start`.
function endWithNpm() {
  const shell = process.ppid;
  if (!process.env.npm_lifecycle_event) return;
  const timer = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, 250);
  timer.unref();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  endWithNpm();
  buildIfNeeded();
  await import(pathToFileURL(built).href);
}
