import { parseArgs } from 'node:util';
import type pg from 'pg';
import { CommandAudit } from '../audit/command-audit.js';
import type { Settings } from '../platform/settings.js';
import {
  calledAs,
  connectTo,
  failed,
  Mistake,
  Misuse,
  settingsOfCommand,
  userOfCommand,
} from './operator.js';

const called = calledAs('parked');

const HELP = `Events that a consumer of the hub could not handle, and were put aside so that they hold up nobody.

  ${called} list               shows the oldest 100, with the reason
  ${called} redrive            has the running hub try all of them once more
  ${called} redrive <eventId>  only this one

  --by NAME   who ordered it, for the audit trail; else the user who runs the command

Asks the database of DATABASE_URL, else the embedded one of a hub that runs on HUB_DATA_DIR.`;

const shown = 100;

const listSql = `
  select p.event_id, p.consumer_group, p.parked_at, p.reason, p.redrive, e.type, e.subject, e.practice_id
  from parked_events as p left join events as e on e.id = p.event_id
  order by p.generation, p.xact_id, p.seq limit $1`;

// An event that retention has dropped cannot be tried again.
const redriveSql = `
  update parked_events as p set redrive = true
  where ($1::uuid is null or p.event_id = $1) and exists (select from events as e where e.id = p.event_id)`;

interface Order {
  command: 'list' | 'redrive';
  eventId?: string;
  by?: string;
}

async function main(args: string[]): Promise<void> {
  const order = orderOf(args);
  if (!order) return console.log(HELP);
  const settings = settingsOfCommand();
  const client = await connectTo(settings, 'parked', 30_000);
  try {
    if (order.command === 'list') await list(client);
    else await redrive(client, settings, order);
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
      options: { by: { type: 'string' }, help: { type: 'boolean' } },
    });
    const [command, eventId, ...more] = positionals;
    const { by, help } = values;
    if (help || command === undefined) return undefined;
    if (command === 'redrive' && more.length === 0) return { command, eventId, by };
    if (command === 'list' && !eventId && !by) return { command };
    throw new Misuse(wrongWith(command), HELP);
  } catch (error) {
    throw error instanceof Misuse ? error : new Misuse((error as Error).message, HELP);
  }
}

function wrongWith(command: string): string {
  if (command === 'list') return 'list takes nothing more.';
  return command === 'redrive'
    ? 'redrive takes one event or none.'
    : `There is no command ${command}.`;
}

async function list(client: pg.Client): Promise<void> {
  const { rows: counted } = await client.query('select count(*)::int as count from parked_events');
  const { rows } = await client.query(listSql, [shown]);
  for (const row of rows) {
    const about = row.type
      ? `${row.type} ${row.subject} practice ${row.practice_id}`
      : 'dropped by retention';
    const waiting = row.redrive ? ' (to be tried again)' : '';
    console.log(`${row.event_id}  ${row.parked_at.toISOString()}  ${row.consumer_group}  ${about}`);
    console.log(`    ${row.reason}${waiting}`);
  }
  const { count } = counted[0];
  console.log(count === 0 ? 'No event is parked.' : `${count} parked.`);
}

async function redrive(
  client: pg.Client,
  settings: Settings,
  { eventId, by = userOfCommand() }: Order,
): Promise<void> {
  if (eventId !== undefined && !/^[0-9a-f-]{36}$/i.test(eventId)) {
    throw new Mistake(`An event id is a UUID; \`${called} list\` shows them.`);
  }
  const audit = await CommandAudit.open(client, settings, 'parked redrive', by);
  await client.query('begin');
  const { rowCount } = await client.query(redriveSql, [eventId ?? null]);
  await audit.record({
    action: 'event.redrive',
    subject: eventId ? `events/${eventId}` : null,
    detail: { count: rowCount },
  });
  await client.query('commit');
  await audit.close();
  if (rowCount === 0 && eventId !== undefined) {
    throw new Mistake(`No parked event ${eventId} that the log still holds.`);
  }
  console.log(`${rowCount} to be tried again; a running hub does it within seconds.`);
}

main(process.argv.slice(2)).catch(failed);
