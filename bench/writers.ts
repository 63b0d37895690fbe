// Those who write, in a process of their own: REST clients that post charges one by one, and the bare loop that they
// are compared with, which does to the same server only what nobody could leave out.
import pg from 'pg';
import { Pool } from 'undici';
import { v7 as uuidv7 } from 'uuid';

/** `charges` are posted to `paths` in turn; the loop writes the like of the first. */
export interface WriterOrder {
  kind: 'rest' | 'loop';
  url: string;
  key: string;
  databaseUrl: string;
  connections: number;
  warmUp: number;
  writes: number;
  paths: string[];
  charges: object[];
}

/** `writes` of them took so long, once warm. */
export interface WriterReport {
  kind: 'written';
  seconds: number;
}

/** Told when the warm-up is over: what is measured begins. */
export interface WriterSign {
  kind: 'begun';
}

type Write = (connection: number) => Promise<void>;

/** Over all connections at once, without a break between warm-up and measurement. */
async function measure(
  { warmUp, writes, connections }: WriterOrder,
  write: Write,
): Promise<WriterReport> {
  let [begun, done, start] = [0, 0, 0];
  const run = async (connection: number) => {
    while (begun < warmUp + writes) {
      begun += 1;
      await write(connection);
      done += 1;
      if (done !== warmUp) continue;
      start = performance.now();
      process.send!({ kind: 'begun' } satisfies WriterSign);
    }
  };
  await Promise.all(Array.from({ length: connections }, (_, i) => run(i)));
  return { kind: 'written', seconds: (performance.now() - start) / 1000 };
}

async function overRest(order: WriterOrder): Promise<WriterReport> {
  const { url, key, connections } = order;
  const pool = new Pool(url, { connections, pipelining: 1 });
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const charges = order.charges.map((charge, i) => ({
    path: order.paths[i]!,
    body: JSON.stringify(charge),
  }));
  try {
    return await measure(order, async (connection) => {
      const { path, body } = charges[connection % charges.length]!;
      const answer = await pool.request({ path, method: 'POST', headers, body });
      const text = await answer.body.text();
      if (answer.statusCode !== 201) throw new Error(`${answer.statusCode} ${text}`);
    });
  } finally {
    await pool.close();
  }
}

// As wide as what a charge writes, with a primary key and nothing else: no further index, check or trigger.
const loopTables = `
  create table if not exists bare_entries (
    id uuid primary key, practice_id uuid, account_id uuid, kind text, amount bigint, currency char(3),
    balance_after bigint, posted_on date, posted_at timestamptz, description text, external_ids jsonb);
  create table if not exists bare_events (
    id uuid primary key, type text, type_version smallint, practice_id uuid, source text, subject text,
    subject_version int, time timestamptz, actor text, correlation_id text, data jsonb)`;

const entrySql = `insert into bare_entries values ($1, $2, $3, 'charge', $4, 'USD', $5, $6, $7, $8, '[]')`;
const eventSql = `insert into bare_events values
  ($1, 'charge.posted', 1, $2, $3, $4, $5, $6, 'operator', $7, $8)`;

/** One transaction: begin, a ledger's row, an event's row, commit. */
async function inLoop(order: WriterOrder): Promise<WriterReport> {
  const { databaseUrl, connections, charges } = order;
  const clients = Array.from({ length: connections }, () => new pg.Client(databaseUrl));
  try {
    await Promise.all(clients.map((client) => client.connect()));
    await clients[0]!.query(loopTables);
    const charge = charges[0] as { description: string };
    const [practiceId, accountId] = [uuidv7(), uuidv7()];
    return await measure(order, async (connection) => {
      const client = clients[connection]!;
      const entryId = uuidv7();
      const now = new Date();
      const entry = [
        entryId,
        practiceId,
        accountId,
        12_500,
        25_000,
        '2026-03-08',
        now,
        charge.description,
      ];
      const data = JSON.stringify({ ...charge, entryId, postedAt: now });
      const from = [`/practices/${practiceId}`, `accounts/${accountId}`];
      const event = [uuidv7(), practiceId, ...from, 1, now, entryId, data];
      await client.query('begin');
      await client.query({ name: 'entry', text: entrySql, values: entry });
      await client.query({ name: 'event', text: eventSql, values: event });
      await client.query('commit');
    });
  } finally {
    await Promise.all(clients.map((client) => client.end()));
  }
}

process.on('message', (order: WriterOrder) => {
  const report = order.kind === 'rest' ? overRest(order) : inLoop(order);
  void report.then((report) => process.send!(report));
});
process.on('disconnect', () => process.exit());
