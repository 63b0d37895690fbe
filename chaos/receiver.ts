import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';
import type { Arrival } from './evaluate.js';
import type { BadMood } from './plan.js';
import type { Random } from './random.js';

const slowMs = [300, 2500] as const;
const bindRetryMs = 100;

/**
 * A partner's side that can be dropped and made to misbehave. It verifies each webhook with the published Standard
 * Webhooks library and notes who got what, in order of arrival.
 */
export class Receiver {
  mood: BadMood | 'well' = 'well';
  private readonly secrets = new Map<string, Webhook>();
  private readonly books = new Map<string, Arrival[]>();
  private server!: Server;
  private port = 0;

  constructor(private readonly random: Random) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** On the same port as before. */
  async open(): Promise<void> {
    for (;;) {
      this.server = createServer((request, response) => {
        this.receive(request, response).catch(() => response.destroy());
      });
      const bound = await new Promise<boolean>((resolve) => {
        this.server.once('error', () => resolve(false));
        this.server.listen(this.port, '127.0.0.1', () => resolve(true));
      });
      if (bound) break;
      await delay(bindRetryMs);
    }
    this.port = (this.server.address() as AddressInfo).port;
  }

  /** Closes the listener and cuts every connection. */
  drop(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  trust(path: string, secret: string): void {
    this.secrets.set(path, new Webhook(secret));
  }

  /** What came to a path, in order of arrival; grows. */
  arrivals(path: string): Arrival[] {
    let book = this.books.get(path);
    if (!book) this.books.set(path, (book = []));
    return book;
  }

  private async receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const arrival = this.note(request, Buffer.concat(chunks).toString());
    switch (this.mood) {
      case 'failing':
        response.writeHead(500).end();
        return;
      case 'throttling':
        response.writeHead(429, { 'retry-after': '1' }).end();
        return;
      case 'cutting':
        // It has arrived, and the hub cannot know.
        response.destroy();
        return;
      case 'slow':
        await delay(this.random.between(...slowMs));
    }
    arrival.acceptedAtMs ??= Date.now();
    response.writeHead(204).end();
  }

  private note(request: IncomingMessage, body: string): Arrival {
    const path = request.url ?? '/';
    const event = JSON.parse(body);
    const arrival: Arrival = {
      eventId: event.id,
      endpointId: event.hubendpoint,
      sequence: Number(event.hubsequence),
      atMs: Date.now(),
      verified: this.verifies(path, body, request),
    };
    this.arrivals(path).push(arrival);
    return arrival;
  }

  private verifies(path: string, body: string, request: IncomingMessage): boolean {
    try {
      this.secrets.get(path)!.verify(body, request.headers as Record<string, string>);
      return true;
    } catch {
      return false;
    }
  }
}
