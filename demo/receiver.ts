import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';

export interface Received {
  type: string;
  practiceId: string;
  /** When the event became true, by the hub's clock. */
  time: Date;
  receivedAt: Date;
  verified: boolean;
}

/**
 * A partner's side in a few lines: an HTTP server that checks each webhook with the published Standard Webhooks
 * library before it believes a word of it.
 */
export async function startPartner(onReceived: (webhook: Received) => void): Promise<{
  url: string;
  trust(secret: string): void;
  close(): void;
}> {
  let secret: Webhook | undefined;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      const verified = verifies(secret, body, request.headers as Record<string, string>);
      response.writeHead(verified ? 204 : 401).end();
      const { type, practiceid, time } = JSON.parse(body);
      onReceived({
        type,
        practiceId: practiceid,
        time: new Date(time),
        receivedAt: new Date(),
        verified,
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks`,
    trust: (text) => (secret = new Webhook(text)),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function verifies(
  secret: Webhook | undefined,
  body: string,
  headers: Record<string, string>,
): boolean {
  try {
    secret!.verify(body, headers);
    return true;
  } catch {
    return false;
  }
}
