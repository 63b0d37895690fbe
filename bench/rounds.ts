// Measures a backlog of the checkout in FOLDER whenever a line with a number of deliveries comes in; of bench/against.ts.
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, endpoints] = process.argv.slice(2);
const of = <T>(path: string): Promise<T> =>
  import(pathToFileURL(join(folder!, path)).href) as Promise<T>;

const { buildIfNeeded } = await of<typeof import('../scripts/start.mjs')>('scripts/start.mjs');
const { Stage } = await of<typeof import('./stage.js')>('bench/stage.ts');
const { measureBacklog } = await of<typeof import('./backlog.js')>('bench/backlog.ts');

buildIfNeeded();
const stage = new Stage();
try {
  await stage.open();
  const hub = await stage.startHub();
  const urls = Array.from({ length: Number(endpoints) }, (_, i) => `${stage.origin}/against/${i}`);
  const ids = await hub.listen(urls);
  const round = (deliveries: number) =>
    measureBacklog(stage, hub, Math.ceil(deliveries / urls.length), ids);
  await round(4000);
  process.stdout.write('ready\n');
  for await (const line of createInterface({ input: process.stdin })) {
    const { perSecond, cpu } = await round(Number(line));
    process.stdout.write(`${JSON.stringify({ perSecond, cpu })}\n`);
  }
} finally {
  await stage.close();
}
process.exit();
