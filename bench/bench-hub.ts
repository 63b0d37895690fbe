import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { startHubProcess, type HubProcess } from '../demo/hub-process.js';
import type { LoaderOrder } from './loader.js';
import { masterKey } from './sealing.js';

const practiceCount = 20;
const patientsEach = 5;
const atOnce = 10;

/** A hub in a process of its own, on a database of its own, with practices that nothing has happened in. */
export class BenchHub {
  readonly key = `hub_live_${randomBytes(24).toString('base64url')}`;
  readonly practiceIds: string[] = [];
  readonly database: pg.Pool;
  private readonly topic = `practice.events.bench_${randomBytes(4).toString('hex')}`;
  private hub?: HubProcess;
  private targets?: LoaderOrder['targets'];

  private constructor(
    readonly databaseUrl: string,
    private readonly brokers: string,
  ) {
    this.database = new pg.Pool({ connectionString: databaseUrl, max: 2 });
    // An idle connection that ends with the server is no failure of a measurement.
    this.database.on('error', () => undefined);
  }

  /** @param brokers of Kafka; without them the events travel over the embedded log. */
  static async start(databaseUrl: string, brokers = ''): Promise<BenchHub> {
    const hub = new BenchHub(databaseUrl, brokers);
    try {
      await hub.resume();
      while (hub.practiceIds.length < practiceCount) {
        const practice = { name: 'Elm Street Dental', kind: 'dental' };
        const place = { timeZone: 'America/Chicago', currency: 'USD' };
        hub.practiceIds.push((await hub.post('/v1/practices', { ...practice, ...place })).id);
      }
      return hub;
    } catch (error) {
      await hub.stop();
      throw error;
    }
  }

  get url(): string {
    return this.hub!.url;
  }

  get pid(): number {
    return this.hub!.pid;
  }

  /** Ends the process only: what is done to the database until `resume` is what its next process finds. */
  async pause(): Promise<void> {
    await this.hub?.stop();
  }

  async resume(): Promise<void> {
    this.hub = await startHubProcess({
      DATABASE_URL: this.databaseUrl,
      HUB_OPERATOR_KEY: this.key,
      HUB_MASTER_KEY: masterKey,
      HUB_ALLOW_NETWORKS: '127.0.0.0/8',
      HUB_PUBLIC_URL: '',
      HUB_LOG_LEVEL: 'error',
      HUB_API_RATE_LIMIT: '0',
      HOST: '127.0.0.1',
      PORT: '0',
      KAFKA_BROKERS: this.brokers,
      HUB_KAFKA_TOPIC: this.topic,
    });
  }

  /** May be called more than once. */
  async stop(): Promise<void> {
    await this.hub?.stop();
    if (!this.database.ended) await this.database.end();
  }

  /** Endpoints that listen to one type at these addresses. Their ids. */
  async listen(urls: readonly string[], type = 'charge.posted'): Promise<string[]> {
    return inTurn(urls, async (url) => {
      const { id } = await this.post('/v1/endpoints', { url, eventTypes: [type] });
      return id;
    });
  }

  /** Removes endpoints, so that the next measurement has its own. */
  async unlisten(ids: readonly string[]): Promise<void> {
    await inTurn(ids, (id) => this.call('DELETE', `/v1/endpoints/${id}`));
  }

  /** Where the loader posts charges: patients of all practices, in an order that goes round the practices. */
  async chargeTargets(): Promise<LoaderOrder['targets']> {
    const patient = { kind: 'human', givenName: 'Ada', familyName: 'Byrne' };
    const all = Array.from({ length: patientsEach }, () => this.practiceIds).flat();
    this.targets ??= await inTurn(all, async (practiceId) => {
      const { id } = await this.post(`/v1/practices/${practiceId}/patients`, patient);
      return { path: `/v1/practices/${practiceId}/charges`, patientId: id };
    });
    return this.targets;
  }

  /** One call of the hub's API, outside of what is measured. */
  async post(path: string, body: object): Promise<{ id: string }> {
    return JSON.parse(await this.call('POST', path, body)) as { id: string };
  }

  private async call(method: string, path: string, body?: object): Promise<string> {
    const answer = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.key}`,
        ...(body ? { 'content-type': 'application/json' } : { 'if-match': '*' }),
      },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(15_000),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text;
  }
}

/** A few at a time. */
async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let from = 0; from < items.length; from += atOnce) {
    done.push(...(await Promise.all(items.slice(from, from + atOnce).map(work))));
  }
  return done;
}
