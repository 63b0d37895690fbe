import { createServer } from 'node:net';

/**
 * Below the range that systems give to outgoing connections (32768 on Linux, 49152 on macOS and by
 * IANA). A port out of that range could be lost to an outgoing connection while a broker is down,
 * and a client that keeps trying to reach it would sooner or later connect to itself.
 */
const FIRST = 20_000;
const LAST = 32_000;

/** A port on 127.0.0.1 that nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (await isFree(port)) return port;
  }
  throw new Error(`found no free port between ${FIRST} and ${LAST}`);
}

/** Whether one could listen on 127.0.0.1:port now. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
