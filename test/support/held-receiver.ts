import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HeldReceiver {
  url: string;
  /** The body of its first request, as soon as that is there. */
  arrived: Promise<string>;
  /** The bodies of all requests so far, in order of arrival. */
  bodies: string[];
  /** Lets it answer 200 with this body to what has come and will come. */
  answer(body?: string): void;
  close(): void;
}

/** A partner's receiver on loopback that answers nothing before it is told to. */
export async function startHeldReceiver(): Promise<HeldReceiver> {
  let answer!: (body?: string) => void;
  const told = new Promise<string | undefined>((resolve) => (answer = resolve));
  let arrive!: (body: string) => void;
  const arrived = new Promise<string>((resolve) => (arrive = resolve));
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      bodies.push(body);
      arrive(body);
      void told.then((body) => response.end(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    arrived,
    bodies,
    answer,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
