import { setTimeout as delay } from 'node:timers/promises';
import {
  Injectable,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { EnginePool } from '../database/engine-pool.js';
import { Logger } from '../platform/logger.js';
import { Settings } from '../platform/settings.js';
import { HeadKey } from './head-key.js';
import { headsFolder, HeadLog } from './head-log.js';
import { Journal } from './journal.js';
import { sealNext, type Head } from './seal.js';
import { noteSigningKey } from './signing-keys.js';
import { closeDeadSql, closedSql, deadSql, orphansSql, registerSql, seenSql } from './sql/seal.js';

const everyMs = 1000;
/** How often a writer says at least that it is alive, and looks for what others have left. */
const seenMs = 5000;
/** Leases without a sign of life after which a writer counts as dead. */
const deadAfterLeases = 3;
/** How often heads leave the database. What is cut off within that time is not missed. */
const headsMs = 60_000;

interface DeadRow {
  writer: string;
  /** Null where it has sealed nothing. */
  number: string | null;
  hash: Buffer;
  sealed_at: Date;
}

/**
 * Seals this hub's entries about once a second, chains what writers that died have left, and exports signed heads. A
 * chain of its own for each writer: writing an entry waits for no lock.
 */
@Injectable()
export class Sealer implements OnApplicationBootstrap, OnApplicationShutdown {
  private heads?: HeadLog;
  /** By writer: sealed here and not exported yet. */
  private readonly unexported = new Map<string, Head>();
  /** Writers that have died, and where their chains end: closed when that is exported. */
  private readonly dead = new Map<string, number>();
  private readonly closing = new AbortController();
  private running?: Promise<void>;
  private seenAt = 0;
  private exportedAt = 0;

  constructor(
    private readonly pool: EnginePool,
    private readonly journal: Journal,
    private readonly settings: Settings,
    private readonly logger: Logger,
  ) {}

  /** @throws AuditKeyError */
  async onApplicationBootstrap(): Promise<void> {
    const key = await HeadKey.load(this.settings);
    this.heads = new HeadLog(headsFolder(this.settings), key);
    await this.pool.query(registerSql, [this.pool.auditWriter, 'hub']);
    if (await this.pool.transaction((client) => noteSigningKey(client, key))) {
      this.logger.warn(
        { key: key.publicKey },
        'heads of the audit trail are signed with a key that no hub has signed them with before',
      );
    }
    this.running = this.run();
  }

  /** When nothing writes any more but the answers that are still under way. */
  async onApplicationShutdown(): Promise<void> {
    this.closing.abort();
    await this.running;
    await this.journal.drain();
    await this.step(() => this.seal(this.pool.auditWriter));
    await this.step(() => this.export());
    // A head that could not be exported is left to another hub, to which this one has died.
    if (this.unexported.has(this.pool.auditWriter)) return;
    await this.step(() => this.pool.query(closedSql, [this.pool.auditWriter]));
  }

  private async run(): Promise<void> {
    const { signal } = this.closing;
    while (!signal.aborted) {
      await delay(everyMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await this.step(() => this.seal(this.pool.auditWriter));
      const now = performance.now();
      if (now - this.seenAt >= Math.min(seenMs, this.settings.leaseSeconds * 500)) {
        this.seenAt = now;
        await this.step(() => this.lookAround());
      }
      if (this.exportedAt === 0 || now - this.exportedAt >= headsMs) {
        if (this.unexported.size + this.dead.size > 0) this.exportedAt = now;
        await this.step(() => this.export());
      }
    }
  }

  /** One part of a round; where it fails the next round does it. */
  private async step(work: () => Promise<unknown>): Promise<void> {
    await work().catch((error: unknown) =>
      this.logger.error({ err: error }, 'the audit trail was not sealed; trying again'),
    );
  }

  private async seal(writer: string, adoptedBy: string | null = null): Promise<void> {
    for (;;) {
      const sealed = await this.pool.transaction((client) => sealNext(client, writer, adoptedBy));
      if (sealed) this.unexported.set(writer, sealed.head);
      if (!sealed?.isMore) return;
    }
  }

  private async lookAround(): Promise<void> {
    const { auditWriter } = this.pool;
    await this.pool.query(seenSql, [auditWriter]);
    const values = [auditWriter, deadAfterLeases * this.settings.leaseSeconds];
    const { rows } = await this.pool.query<{ writer: string }>(orphansSql, values);
    for (const { writer } of rows) await this.seal(writer, auditWriter);
    await this.takeUpHeads(values);
  }

  /** The last head of a writer that was killed may still be in the database alone. */
  private async takeUpHeads(values: unknown[]): Promise<void> {
    const { rows } = await this.pool.query<DeadRow>(deadSql, values);
    for (const { writer, number, hash, sealed_at } of rows) {
      this.dead.set(writer, Number(number ?? 0));
      if (number === null) continue;
      this.unexported.set(writer, { writer, number: Number(number), hash, sealedAt: sealed_at });
    }
  }

  private async export(): Promise<void> {
    const heads = [...this.unexported.values()];
    await this.heads?.append(heads);
    for (const head of heads) {
      if (this.unexported.get(head.writer) === head) this.unexported.delete(head.writer);
    }
    if (this.dead.size === 0) return;
    await this.pool.query(closeDeadSql, [[...this.dead.keys()], [...this.dead.values()]]);
    this.dead.clear();
  }
}
