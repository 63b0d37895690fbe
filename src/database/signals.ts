import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { sessionOptions } from './data-source.js';
import { actingAs, engineRole } from './roles.js';

/**
 * `events`: the log has grown. `deliveries`: there is due work; keys are endpoint ids, or shards where one was changed.
 * `access`: an API key or what it reaches has changed. `keys`: a data key was retired or destroyed.
 */
export type Channel = 'events' | 'deliveries' | 'access' | 'keys';
type Listener = (keys: ReadonlySet<string> | 'all') => void;

const channels: readonly Channel[] = ['events', 'deliveries', 'access', 'keys'];
const coalesceMs = 4;
const reconnectMs = 500;
/** NOTIFY takes less than 8000 bytes; more keys than fit become "all". */
const longestPayload = 7000;

/**
 * Wake-ups between the parts of one hub and between hubs. They only shorten a wait: whoever listens also polls,
 * so a lost signal costs time, never an event.
 *
 * Within the process a signal is immediate. For other hubs it becomes at most one NOTIFY every few milliseconds
 * on a connection of its own: a NOTIFY inside the facts' transactions takes a global lock at commit and cut
 * 6,900–9,100 transactions a second to about 3,000.
 */
export class Signals {
  private readonly listeners = new Map<Channel, Set<Listener>>(
    channels.map((channel) => [channel, new Set()]),
  );
  private readonly pending = new Map<Channel, Set<string> | 'all'>();
  private readonly origin = randomUUID();
  private listening?: pg.Client;
  private sending?: pg.Client;
  private timer?: NodeJS.Timeout;
  private stopped = false;

  constructor(private readonly url: string) {}

  async start(): Promise<void> {
    await this.listen();
  }

  /** Resolves when what was said has gone to the other hubs, as far as it could. */
  async flushed(): Promise<void> {
    while (this.timer !== undefined)
      await new Promise((resolve) => setTimeout(resolve, coalesceMs));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await Promise.allSettled([this.listening?.end(), this.sending?.end()]);
  }

  /** Calls `listener` at every signal on `channel`; returns what ends that. */
  on(channel: Channel, listener: Listener): () => void {
    this.listeners.get(channel)!.add(listener);
    return () => this.listeners.get(channel)!.delete(listener);
  }

  emit(channel: Channel, keys: readonly string[] | 'all' = 'all'): void {
    const set = keys === 'all' ? keys : new Set(keys);
    this.tell(channel, set);
    const waiting = this.pending.get(channel);
    if (waiting === 'all' || set === 'all') this.pending.set(channel, 'all');
    else if (waiting) for (const key of set) waiting.add(key);
    else this.pending.set(channel, new Set(set));
    this.timer ??= setTimeout(() => void this.flush(), coalesceMs);
  }

  private tell(channel: Channel, keys: ReadonlySet<string> | 'all'): void {
    for (const listener of this.listeners.get(channel)!) listener(keys);
  }

  private async flush(): Promise<void> {
    const batch = [...this.pending];
    this.pending.clear();
    try {
      this.sending ??= await this.connect(() => (this.sending = undefined));
      for (const [channel, keys] of batch) {
        const list = keys === 'all' ? '*' : [...keys].join(',');
        const payload = `${this.origin} ${list.length > longestPayload ? '*' : list}`;
        await this.sending.query('select pg_notify($1, $2)', [`hub_${channel}`, payload]);
      }
    } catch {
      // The database is away; the others poll, and there is nothing new to tell while it is.
    } finally {
      this.timer = undefined;
      if (this.pending.size > 0 && !this.stopped) {
        this.timer = setTimeout(() => void this.flush(), coalesceMs);
      }
    }
  }

  private async listen(): Promise<void> {
    let settled = false;
    const client = await this.connect(() => settled && this.listenAgain());
    client.on('notification', ({ channel, payload = '' }) => {
      const [origin, list = '*'] = payload.split(' ');
      if (origin === this.origin) return;
      const keys = list === '*' ? 'all' : new Set(list.split(','));
      this.tell(channel.slice('hub_'.length) as Channel, keys);
    });
    try {
      await client.query(channels.map((channel) => `listen hub_${channel}`).join(';'));
    } catch (error) {
      // It may still be connected, to a standby say, on which nobody can listen.
      await client.end().catch(() => undefined);
      throw error;
    }
    settled = true;
    this.listening = client;
    // What was said while nobody listened is unknown.
    for (const channel of channels) this.tell(channel, 'all');
  }

  private listenAgain(): void {
    if (this.stopped) return;
    setTimeout(() => {
      if (!this.stopped) this.listen().catch(() => this.listenAgain());
    }, reconnectMs).unref();
  }

  private async connect(onLost: () => void): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.url,
      application_name: 'practice-event-hub signals',
      ...sessionOptions,
      options: `${sessionOptions.options} ${actingAs(engineRole)}`,
    });
    client.on('error', () => undefined);
    await client.connect();
    client.once('end', onLost);
    if (this.stopped) await client.end();
    return client;
  }
}
