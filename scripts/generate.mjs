// `npm run generate`: writes the files that are made from the code. With --check it writes nothing and fails where
// one of them is out of date, naming the command that mends it.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as prettier from 'prettier';
import { buildIfNeeded } from './start.mjs';

buildIfNeeded();
const { generatedFiles } = await import('../dist/generated-files.js');
const check = process.argv.includes('--check');
let outOfDate = 0;
for (const [name, raw] of Object.entries(await generatedFiles())) {
  const path = fileURLToPath(new URL(`../${name}`, import.meta.url));
  const text = name.endsWith('.json') ? await prettier.format(raw, { parser: 'json' }) : raw;
  let present;
  try {
    present = readFileSync(path, 'utf8');
  } catch {
    present = undefined;
  }
  if (present === text) continue;
  if (check) {
    console.error(`${name} is out of date: run \`npm run generate\` and commit it.`);
    outOfDate++;
  } else {
    writeFileSync(path, text);
    console.log(`wrote ${name}`);
  }
}
process.exit(outOfDate > 0 ? 1 : 0);
