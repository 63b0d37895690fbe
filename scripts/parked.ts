import pg from 'pg';
import type { Settings } from '../src/platform/settings.js';
import { databaseUrlOf, failed, Mistake, settingsOfCommand } from './database.js';

const HELP = `Events that a consumer of the hub could not handle, and were put aside so that they hold up nobody.

  npm run parked -- list               shows the oldest 100, with the reason
  npm run parked -- redrive            has the running hub try all of them once more
  npm run parked -- redrive <eventId>  only this one

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

async function main([command, eventId, ...more]: string[]): Promise<void> {
  const known = command === 'redrive' || (command === 'list' && eventId === undefined);
  if (!known || more.length > 0) {
    console.log(HELP);
    process.exitCode = command === undefined || command === '--help' ? 0 : 1;
    return;
  }
  const client = await connect(settingsOfCommand());
  try {
    if (command === 'list') await list(client);
    else await redrive(client, eventId);
  } finally {
    await client.end();
  }
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

async function redrive(client: pg.Client, eventId: string | undefined): Promise<void> {
  if (eventId !== undefined && !/^[0-9a-f-]{36}$/i.test(eventId)) {
    throw new Mistake('An event id is a UUID; `npm run parked -- list` shows them.');
  }
  const { rowCount } = await client.query(redriveSql, [eventId ?? null]);
  if (rowCount === 0 && eventId !== undefined) {
    throw new Mistake(`No parked event ${eventId} that the log still holds.`);
  }
  console.log(`${rowCount} to be tried again; a running hub does it within seconds.`);
}

async function connect(settings: Settings): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: await databaseUrlOf(settings),
    connectionTimeoutMillis: 10_000,
    query_timeout: 30_000,
    application_name: 'practice-event-hub parked',
  });
  await client.connect();
  return client;
}

main(process.argv.slice(2)).catch(failed);
