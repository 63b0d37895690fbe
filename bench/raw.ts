// The raw limit: what one Node process can POST when it does nothing but sign and send. In a process of its own, as
// the hub is. Nothing is read, fanned out, retried or recorded.
import { Pool } from 'undici';
import { parseSigningKey } from '../src/subscriptions/signing/signing-key.js';
import { signedHeaders } from '../src/subscriptions/signing/standard-webhooks.js';

export interface RawOrder {
  origin: string;
  /** A webhook as the hub sends it. */
  body: string;
  /** Of the ids that go into headers and signatures, in turn. */
  ids: string[];
  seconds: number;
}

export interface RawReport {
  perSecond: number;
  /** With those that warmed up. */
  posted: number;
}

const connections = 100;
const warmUpSeconds = 1;
const secret = parseSigningKey(`whsec_${Buffer.alloc(32, 7).toString('base64')}`);

async function measure({ origin, body, ids, seconds }: RawOrder): Promise<RawReport> {
  const pool = new Pool(origin, { connections, pipelining: 1 });
  let sent = 0;
  let posted = 0;
  const sendUntil = async (end: number) => {
    while (performance.now() < end) {
      const id = ids[sent++ % ids.length]!;
      const answer = await pool.request({
        path: '/raw',
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...signedHeaders([secret], id, Math.floor(Date.now() / 1000), body),
        },
        body,
      });
      await answer.body.dump();
      if (answer.statusCode !== 204) throw new Error(`the receiver answered ${answer.statusCode}`);
    }
  };
  const run = async (runSeconds: number) => {
    sent = 0;
    const start = performance.now();
    const end = start + runSeconds * 1000;
    await Promise.all(Array.from({ length: connections }, () => sendUntil(end)));
    posted += sent;
    return (sent / (performance.now() - start)) * 1000;
  };
  await run(warmUpSeconds);
  const perSecond = await run(seconds);
  await pool.close();
  return { perSecond, posted };
}

process.on('message', (order: RawOrder) => {
  void measure(order).then((report) => process.send!(report));
});
process.on('disconnect', () => process.exit());
