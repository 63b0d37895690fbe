// `npm start`: builds where the build is missing or older than the sources, then runs the hub in this process, so
// that signals reach it and nothing stands between.
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
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
  const nest = join(root, 'node_modules/@nestjs/cli/bin/nest.js');
  const { status } = spawnSync(process.execPath, [nest, 'build'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) {
    process.stderr.write('The build failed; `npm run build` shows why.\n');
    process.exit(1);
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
