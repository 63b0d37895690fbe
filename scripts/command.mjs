// `npm run keys|audit|erase|parked -- …`: builds where the build is missing or older than the sources, then runs the
// command in this process, as `node dist/commands/….js …` does where there is a build alone.
import { fileURLToPath } from 'node:url';
import { buildIfNeeded } from './start.mjs';

const [name] = process.argv.splice(2, 1);
const command = new URL(`../dist/commands/${name}.js`, import.meta.url);
buildIfNeeded();
process.argv[1] = fileURLToPath(command);
await import(command.href);
