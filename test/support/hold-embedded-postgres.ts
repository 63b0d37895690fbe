/**
 * A hub in the small, for the tests of the embedded server: starts it on the folder of the first argument,
 * prints its URL as one line of JSON, and holds it until SIGINT; then it still asks the server something,
 * as a draining hub does, prints the answer, and stops it.
 */
import pg from 'pg';
import { startEmbeddedPostgres } from '../../src/database/embedded-postgres.js';

const [dataDir = ''] = process.argv.slice(2);
const server = await startEmbeddedPostgres({ dataDir, durable: false, log: () => {} });
const client = new pg.Client({ connectionString: server.url });
await client.connect();
process.once('SIGINT', async () => {
  const { rows } = await client.query('SELECT 1 AS drained');
  await client.end();
  await server.stop();
  process.stdout.write(`${JSON.stringify(rows[0])}\n`);
});
process.stdout.write(`${JSON.stringify({ url: server.url })}\n`);
