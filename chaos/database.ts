import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import pg from 'pg';
import { Leash } from '../scripts/kafka/leash.js';
import { prepareBinaries, type Binaries } from '../src/database/embedded/binaries.js';
import { ensureCluster, ensurePassword, HUB_ROLE } from '../src/database/embedded/cluster.js';
import { resolveDataPlace, type DataPlace } from '../src/database/embedded/data-place.js';
import { stopOrphans } from '../src/database/embedded/orphans.js';
import {
  hasEnded,
  startServerProcess,
  type ServerProcess,
} from '../src/database/embedded/server-process.js';

const quiet = () => undefined;

/** A PostgreSQL server that nobody supervises, to be ended and started at will, always on the same port. */
export class Database {
  private turn: Promise<unknown> = Promise.resolve();

  private constructor(
    /** Of the hubs' database. */
    readonly url: string,
    private readonly place: DataPlace,
    private readonly binaries: Binaries,
    private readonly leash: Leash,
    private server: ServerProcess,
  ) {}

  /** In a folder that it may fill, which exists already. It ends with this process at the latest. */
  static async start(folder: string): Promise<Database> {
    const place = await resolveDataPlace(folder);
    const leash = new Leash(place.folder);
    try {
      const password = await ensurePassword(place);
      const binaries = await prepareBinaries(place, quiet);
      await ensureCluster(place, binaries, password, true, quiet);
      const server = await startServerProcess(place, binaries, true, quiet);
      leash.hold(server.child.pid!);
      const address = `postgres://${HUB_ROLE}:${password}@127.0.0.1:${server.port}`;
      const admin = new pg.Client(`${address}/postgres`);
      await admin.connect();
      await admin.query('create database hub').finally(() => admin.end());
      return new Database(`${address}/hub`, place, binaries, leash, server);
    } catch (error) {
      await stopOrphans(place, quiet).catch(quiet);
      leash.release();
      await rm(place.folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** SIGKILL is a crash, SIGQUIT PostgreSQL's immediate stop, SIGINT its fast one. Resolves when it has ended. */
  end(signal: NodeJS.Signals): Promise<void> {
    return this.oneAtATime(async () => {
      const { child } = this.server;
      if (!hasEnded(child)) {
        const ended = once(child, 'exit');
        child.kill(signal);
        await ended;
      }
      this.leash.hold(0);
    });
  }

  /** Where it does not run; resolves when it accepts connections, after it has replayed its log. */
  startAgain(): Promise<void> {
    return this.oneAtATime(async () => {
      const { child, port } = this.server;
      if (!hasEnded(child)) return;
      // The backends of a killed server need a moment to notice.
      await stopOrphans(this.place, quiet);
      this.server = await startServerProcess(this.place, this.binaries, true, quiet, port);
      this.leash.hold(this.server.child.pid!);
    });
  }

  /** Ends it and removes its data. */
  async close(): Promise<void> {
    await this.end('SIGQUIT');
    await stopOrphans(this.place, quiet);
    this.leash.release();
    await rm(this.place.folder, { recursive: true, force: true });
  }

  private oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.turn.then(work);
    this.turn = turn.catch(quiet);
    return turn;
  }
}
