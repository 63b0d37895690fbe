import { parseArgs } from 'node:util';
import type pg from 'pg';
import { entryFromRow, type EntryRow } from '../audit/audit-entry.js';
import { HeadKey } from '../audit/head-key.js';
import { headsFolder } from '../audit/head-log.js';
import { allSql } from '../audit/sql/read.js';
import { summaryOf } from '../audit/verify/summary.js';
import { verifyTrail } from '../audit/verify/verify.js';
import { idFloor } from '../database/time-ids.js';
import { counted } from '../platform/counted.js';
import type { Settings } from '../platform/settings.js';
import { calledAs, connectTo, failed, Mistake, Misuse, settingsOfCommand } from './operator.js';

const called = calledAs('audit');

const HELP = `The audit trail: who did what, kept so that a change of it shows (docs/audit.md).

  ${called} verify [--from TIME] [--to TIME] [--heads FOLDER] [--key PUBLIC]…
      checks every chain, entry and signed head, and names the first that is broken
  ${called} export [--from TIME] [--to TIME]
      writes the entries as lines of JSON to standard output
  ${called} key
      prints the public key that signs the heads

Times are RFC 3339. --key names public keys of other hubs, whose heads lie in the same folder, or of the hub where its
own key does not lie here (HUB_AUDIT_KEY_FILE, HUB_DATA_DIR).
Exit status of verify: 0 it holds, 1 it is broken, 2 it could not be checked.

Asks the database of DATABASE_URL, else the embedded one of a hub that runs on HUB_DATA_DIR.`;

const progressMs = 2000;
const pageSize = 1000;

async function main(args: string[]): Promise<void> {
  const { values, positionals } = parse(args);
  const [command] = positionals;
  if (values.help) return console.log(HELP);
  if (positionals.length !== 1 || !['verify', 'export', 'key'].includes(command!)) {
    throw new Misuse('Say one of verify, export and key.', HELP);
  }
  const settings = settingsOfCommand();
  if (command === 'key') {
    console.log((await HeadKey.loadExisting(settings)).publicKey);
    return;
  }
  const span = { from: timeOf(values.from, '--from', 0), to: timeOf(values.to, '--to') };
  const client = await connectTo(settings, 'audit', 300_000);
  try {
    if (command === 'export') await exportAll(client, span);
    else await verify(client, settings, span, values);
  } finally {
    await client.end();
  }
}

interface Span {
  from: Date;
  to: Date;
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        from: { type: 'string' },
        to: { type: 'string' },
        heads: { type: 'string' },
        key: { type: 'string', multiple: true },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new Mistake((error as Error).message);
  }
}

/** The end, where none is given, lies ahead: clocks of two machines differ. */
function timeOf(text: string | undefined, option: string, fallback = Date.now() + 3_600_000): Date {
  if (text === undefined) return new Date(fallback);
  const time = new Date(text);
  if (Number.isNaN(time.getTime()))
    throw new Mistake(`${option} takes a time such as 2026-03-01T00:00:00Z.`);
  return time;
}

async function verify(
  client: pg.Client,
  settings: Settings,
  span: Span,
  { heads, key = [] }: { heads?: string; key?: string[] },
): Promise<void> {
  let told = performance.now();
  const { checked, fault } = await verifyTrail(client, {
    ...span,
    headsFolder: heads ?? headsFolder(settings),
    trustedKeys: await trustedKeys(settings, key),
    onProgress: (soFar) => {
      if (performance.now() - told < progressMs) return;
      told = performance.now();
      console.error(`… ${summaryOf(soFar)}`);
    },
  });
  if (fault) {
    console.log(`BROKEN: ${fault.what} ${fault.which}: ${fault.why}.`);
    console.log(`Before it: ${summaryOf(checked)}.`);
    process.exitCode = 1;
    return;
  }
  console.log(`The trail holds: ${summaryOf(checked)}.`);
  const { unsealed, unreadableHeads } = checked;
  if (unsealed > 0) console.log(`In no block yet: ${counted(unsealed, 'entry', 'entries')}.`);
  if (unreadableHeads > 0) {
    const lines = counted(unreadableHeads, 'line');
    console.log(`Without a head, since a process ended while it wrote: ${lines}.`);
  }
}

/** Whoever names keys may be where the hub's own is not. @throws AuditKeyError */
async function trustedKeys(settings: Settings, named: readonly string[]): Promise<Set<string>> {
  const own = await HeadKey.loadExisting(settings).catch((error: unknown) => {
    if (named.length > 0) return undefined;
    throw error;
  });
  return new Set(own ? [own.publicKey, ...named] : named);
}

async function exportAll(client: pg.Client, { from, to }: Span): Promise<void> {
  let after = idFloor(from);
  for (;;) {
    const values = [after, idFloor(to), null, pageSize];
    const { rows } = await client.query<EntryRow>(allSql, values);
    for (const row of rows) {
      const line = `${JSON.stringify(entryFromRow(row))}\n`;
      if (!process.stdout.write(line))
        await new Promise((resolve) => process.stdout.once('drain', resolve));
    }
    if (rows.length < pageSize) return;
    after = rows.at(-1)!.id;
  }
}

// Whoever reads the export has seen enough: `| head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

main(process.argv.slice(2)).catch((error: unknown) => {
  const { code, path } = error as { code?: string; path?: string };
  if (code === 'ENOENT') console.error(`There are no heads to verify with: ${path} is not there.`);
  else failed(error);
  process.exitCode = 2;
});
