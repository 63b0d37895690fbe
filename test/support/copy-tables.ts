import pg from 'pg';

interface CopyDone {
  (error: Error | null): void;
}

/** COPY … TO STDOUT, for which the driver has hooks and no function. */
class CopyOut extends pg.Query {
  readonly chunks: Buffer[] = [];

  // The driver reuses the memory below a chunk.
  handleCopyData({ chunk }: { chunk: Buffer }): void {
    this.chunks.push(Buffer.from(chunk));
  }
}

/** COPY … FROM STDIN. */
class CopyIn extends pg.Query {
  constructor(
    text: string,
    private readonly chunks: readonly Buffer[],
    done: CopyDone,
  ) {
    super(text, done as never);
  }

  handleCopyInResponse(connection: {
    sendCopyFromChunk(chunk: Buffer): void;
    endCopyFrom(): void;
  }): void {
    for (const chunk of this.chunks) connection.sendCopyFromChunk(chunk);
    connection.endCopyFrom();
  }
}

/** Tables with the columns that a copy carries. Rows of partitions come with their parent. */
const tablesSql = `
  select c.oid::regclass::text as name, string_agg(quote_ident(a.attname), ', ' order by a.attnum) as columns
  from pg_class as c join pg_attribute as a on a.attrelid = c.oid
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    and c.relname <> 'migrations'
    and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
  group by c.oid
  order by c.oid::regclass::text`;

const sequencesSql = `select sequencename as name, last_value::text as value from pg_sequences where schemaname = 'public'`;

/**
 * Copies every row and every sequence of a database into one with the same schema, which is emptied first: by COPY
 * from one snapshot and with triggers off, as pg_dump and a restore of its data do.
 */
export async function copyDatabase(fromUrl: string, toUrl: string): Promise<void> {
  const [from, to] = await Promise.all([connect(fromUrl), connect(toUrl)]);
  try {
    await from.query('begin isolation level repeatable read read only');
    await to.query(`begin; set local session_replication_role = replica`);
    const { rows: tables } = await from.query<{ name: string; columns: string }>(tablesSql);
    await to.query(`truncate ${tables.map(({ name }) => name).join(', ')}`);
    for (const { name, columns } of tables) {
      const chunks = await copyOut(from, `copy (select ${columns} from ${name}) to stdout`);
      await copyIn(to, `copy ${name} (${columns}) from stdin`, chunks);
    }
    const { rows: sequences } = await from.query<{ name: string; value: string }>(sequencesSql);
    for (const { name, value } of sequences) {
      if (value !== null) await to.query(`select setval($1, $2)`, [name, value]);
    }
    await to.query('commit');
  } finally {
    await Promise.all([from.end(), to.end()]);
  }
}

async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  return client;
}

function copyOut(client: pg.Client, text: string): Promise<Buffer[]> {
  return new Promise((resolve, reject) => {
    const query: CopyOut = new CopyOut(text, ((error: Error | null) =>
      error ? reject(error) : resolve(query.chunks)) as never);
    client.query(query);
  });
}

function copyIn(client: pg.Client, text: string, chunks: readonly Buffer[]): Promise<void> {
  return new Promise((resolve, reject) => {
    client.query(new CopyIn(text, chunks, (error) => (error ? reject(error) : resolve())));
  });
}
