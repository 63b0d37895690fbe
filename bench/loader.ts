// Posts charges over REST, in a process of its own: in the one that measures it would be measured as well.
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';

export interface LoaderOrder {
  url: string;
  key: string;
  /** One path and patient after the other. */
  targets: { path: string; patientId: string }[];
  facts: number;
  /** Absent: as fast as the connections allow, each with one call at a time. */
  perSecond?: number;
}

export interface LoaderReport {
  /** Nanoseconds of the monotonic clock: just before the first call, and when the last one was answered. */
  began: string;
  ended: string;
}

const connections = 100;
/** As bench/facts.ts has it: what a dentist types. */
const description =
  'Periodic oral evaluation, adult prophylaxis, four bitewing radiographs. Probing depths within normal limits ' +
  'apart from 4 mm distal of 14 and 31; bleeding on probing localized, home care reviewed. Amalgam on 30 shows a ' +
  'marginal ditch, to be watched. Next visit in six months.';

async function load(order: LoaderOrder): Promise<LoaderReport> {
  const { url, key, targets, facts, perSecond } = order;
  const pool = new Pool(url, { connections, pipelining: 1 });
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  let posted = 0;
  /** Marked with the moment when it was due, so that a hub which makes callers wait does not look faster for it. */
  const post = async (due: bigint) => {
    const { path, patientId } = targets[posted++ % targets.length]!;
    const charge = { patientId, amount: 8500, currency: 'USD' };
    const body = JSON.stringify({ ...charge, description: `t=${due} ${description}` });
    const answer = await pool.request({ path, method: 'POST', headers, body });
    if (answer.statusCode !== 201) {
      throw new Error(`a charge: ${answer.statusCode} ${await answer.body.text()}`);
    }
    await answer.body.dump();
  };
  const hasMore = () => posted < facts;
  const began = process.hrtime.bigint();
  if (perSecond === undefined) {
    const worker = async () => {
      while (hasMore()) await post(process.hrtime.bigint());
    };
    await Promise.all(Array.from({ length: connections }, worker));
  } else {
    const under: Promise<void>[] = [];
    const dueOf = (fact: number) => began + BigInt(Math.round((fact * 1e9) / perSecond));
    while (hasMore()) {
      while (hasMore() && dueOf(posted) <= process.hrtime.bigint()) {
        const call = post(dueOf(posted));
        // Awaited below; until then a failure must not end the process.
        call.catch(() => undefined);
        under.push(call);
      }
      await delay(1);
    }
    await Promise.all(under);
  }
  const ended = process.hrtime.bigint();
  await pool.close();
  return { began: began.toString(), ended: ended.toString() };
}

process.on('message', (order: LoaderOrder) => {
  load(order).then(
    (report) => process.send!(report),
    (error: Error) => {
      console.error(`The loader: ${error.message}`);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit());
