import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import type pg from 'pg';
import { CommandAudit } from '../audit/command-audit.js';
import { counted } from '../platform/counted.js';
import type { Settings } from '../platform/settings.js';
import { countKeysOf, keyStatus, renewDataKeys, rewrapAll, shred } from '../sealing/key-care.js';
import { loadMasterKeys } from '../sealing/load-master-keys.js';
import type { MasterKeys } from '../sealing/master-keys.js';
import {
  calledAs,
  connectTo,
  failed,
  Mistake,
  Misuse,
  settingsOfCommand,
  userOfCommand,
} from './operator.js';

const called = calledAs('keys');

const HELP = `The keys under which the hub encrypts what it keeps (docs/at-rest.md).

  ${called} status                     counts data keys, by the master key they are wrapped under
  ${called} rotate                     wraps all of them under the first master key; hubs go on meanwhile
  ${called} rotate --data-keys         the same, and lets new data keys encrypt from now on
  ${called} shred --practice ID        says what destroying a practice's keys would mean
  ${called} shred --practice ID --yes  destroys them: its history cannot be read again, by anybody

  --by NAME   who ordered it, for the audit trail; else the user who runs the command

Asks the database of DATABASE_URL, else the embedded one of a hub that runs on HUB_DATA_DIR, and takes the master keys
that the hub takes.`;

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const commands = ['status', 'rotate', 'shred'];

interface Order {
  command?: string;
  practice?: string;
  by?: string;
  yes?: boolean;
  dataKeys?: boolean;
}

async function main(args: string[]): Promise<void> {
  const order = orderOf(args);
  if (!order) return console.log(HELP);
  const settings = settingsOfCommand();
  const client = await connectTo(settings, 'keys', 60_000);
  try {
    if (order.command === 'shred') return await destroy(client, settings, order);
    const { master } = await loadMasterKeys(settings, client);
    if (order.command === 'rotate') await rotate(client, settings, master, order);
    await status(client, master);
  } finally {
    await client.end();
  }
}

/** What is ordered; undefined where that is the help alone. @throws Misuse */
function orderOf(args: string[]): Order | undefined {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        practice: { type: 'string' },
        by: { type: 'string' },
        yes: { type: 'boolean' },
        'data-keys': { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
    if (values.help) return undefined;
    const [command, ...more] = positionals;
    const { practice, by, yes, 'data-keys': dataKeys } = values;
    const order = { command, practice, by, yes, dataKeys };
    const wrong = wrongWith(order, more);
    if (wrong) throw new Misuse(wrong, HELP);
    return order;
  } catch (error) {
    throw error instanceof Misuse ? error : new Misuse((error as Error).message, HELP);
  }
}

function wrongWith(order: Order, more: readonly string[]): string | undefined {
  const { command = '', practice, by, yes, dataKeys } = order;
  if (command === '') return `Say what to do: ${commands.join(', ')}.`;
  if (!commands.includes(command)) return `There is no command ${command}.`;
  if (more.length > 0) return `${command} takes no ${more.join(' ')}.`;
  if (command !== 'shred' && practice !== undefined) return '--practice goes with shred only.';
  if (command !== 'shred' && yes) return '--yes goes with shred only.';
  if (command !== 'rotate' && dataKeys) return '--data-keys goes with rotate only.';
  if (command === 'status' && by !== undefined) return '--by goes with rotate and shred only.';
  return command === 'shred' && practice === undefined ? 'shred needs --practice ID.' : undefined;
}

async function rotate(
  client: pg.Client,
  settings: Settings,
  master: MasterKeys,
  { by = userOfCommand(), dataKeys = false }: Order,
): Promise<void> {
  const audit = await CommandAudit.open(client, settings, 'keys rotate', by);
  // Many transactions follow: of a rotation that is killed midway this is on record, and a hub seals it.
  await audit.record({
    action: 'data_key.rotation_began',
    detail: { masterKeyId: master.firstId, dataKeys },
  });
  const done = await rewrapAll(client, master, (count, left) =>
    console.log(`${count} wrapped anew, ${left} left`),
  );
  console.log(
    done === 0 ? 'Nothing was left to wrap anew.' : `${counted(done, 'data key')} wrapped anew.`,
  );
  const retired = dataKeys ? await renewDataKeys(client, master, randomBytes(32)) : 0;
  if (dataKeys) {
    const former = counted(retired, 'data key');
    console.log(`From now on only for opening: ${former}; new ones are made as they are needed.`);
  }
  const detail = { masterKeyId: master.firstId, wrapped: done, retired };
  await audit.record({ action: 'data_key.rotated', detail });
  await audit.close();
}

async function status(client: pg.Client, master: MasterKeys): Promise<void> {
  const { wrapped, active, retired, destroyed } = await keyStatus(client);
  console.log(`Data keys: ${active} encrypting, ${retired} only opening, ${destroyed} destroyed.`);
  for (const id of master.ids) {
    const count = wrapped.find((each) => each.id === id)?.count ?? 0;
    const note =
      id === master.firstId
        ? ', the one in force'
        : count === 0
          ? ': it may be removed once every hub has the new one first'
          : `: \`${called} rotate\` wraps them anew`;
    console.log(`  under master key ${id}: ${count}${note}`);
  }
}

async function destroy(
  client: pg.Client,
  settings: Settings,
  { practice, by = userOfCommand(), yes }: Order,
): Promise<void> {
  if (!uuid.test(practice!)) throw new Mistake('--practice takes the id of a practice, a UUID.');
  const count = await countKeysOf(client, practice!);
  if (count === 0) throw new Mistake(`There is no key of the practice ${practice} to destroy.`);
  if (!yes) {
    throw new Mistake(
      `This would destroy ${counted(count, 'key')} of the practice ${practice}: the payloads of its events, kept answers and what receivers answered could never be read again, and what is not delivered yet would be withheld. Say --yes to do it. Backups and copies of the database still hold the keys, wrapped: see docs/at-rest.md.`,
    );
  }
  const audit = await CommandAudit.open(client, settings, 'keys shred', by);
  const destroyed = await shred(client, practice!, (count) =>
    audit.record({ action: 'data_key.destroyed', practiceId: practice, detail: { count } }),
  );
  await audit.close();
  console.log(`Destroyed: ${counted(destroyed, 'key')} of the practice ${practice}.`);
}

main(process.argv.slice(2)).catch(failed);
