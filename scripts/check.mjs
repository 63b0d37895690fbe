// `npm run check`: everything that is no test. Runs all of it and fails at the end, so that one round shows every fault.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const bin = (name) => fileURLToPath(new URL(`../node_modules/.bin/${name}`, import.meta.url));
const root = fileURLToPath(new URL('..', import.meta.url));

const checks = [
  ['format', bin('prettier'), ['--check', '.'], 'npm run format'],
  ['lint', bin('oxlint'), ['--deny-warnings', 'src', 'test', 'bench', 'chaos', 'demo', 'scripts']],
  ['types', bin('tsc'), ['--noEmit', '-p', 'tsconfig.json']],
  ['architecture', bin('depcruise'), ['--config', '.dependency-cruiser.cjs', 'src']],
  ['compose file', bin('tsx'), ['scripts/check-compose.ts']],
  ['generated files', process.execPath, ['scripts/generate.mjs', '--check'], 'npm run generate'],
];

const failed = [];
for (const [name, command, parameters, remedy] of checks) {
  const { status, stdout, stderr } = spawnSync(command, parameters, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name}`);
  if (status === 0) continue;
  failed.push(name);
  console.log(`${stdout}${stderr}${remedy ? `\n\`${remedy}\` mends it.` : ''}`);
}
if (failed.length > 0) {
  console.log(`\nFailed: ${failed.join(', ')}`);
  process.exit(1);
}
