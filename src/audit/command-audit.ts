import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { Settings } from '../platform/settings.js';
import type { NewEntry } from './audit-entry.js';
import { headsFolder, HeadLog } from './head-log.js';
import { sealNext, type Head } from './seal.js';
import { signingKeyOfCommand } from './signing-keys.js';
import { closedSql, registerSql } from './sql/seal.js';
import { writeEntriesSql } from './sql/write.js';

/**
 * Puts on record what a command does on the hub's database, past any hub: a writer of its own, with a chain of its own.
 * The actor is `system/commands`, on behalf of whoever ordered it.
 */
export class CommandAudit {
  private constructor(
    private readonly client: pg.ClientBase,
    private readonly heads: HeadLog,
    private readonly writer: string,
    private readonly orderedBy: string,
  ) {}

  /**
   * @param client on which the command works; its entries are the command's from now on
   * @param command as it is called, `parked redrive`
   * @param orderedBy who is on record for it
   * @throws AuditKeyError
   */
  static async open(
    client: pg.ClientBase,
    settings: Settings,
    command: string,
    orderedBy: string,
  ): Promise<CommandAudit> {
    const key = await signingKeyOfCommand(client, settings);
    const heads = new HeadLog(headsFolder(settings), key);
    const writer = randomUUID();
    await client.query(registerSql, [writer, `commands/${command}`]);
    await client.query(`select set_config('hub.audit_writer', $1, false)`, [writer]);
    return new CommandAudit(client, heads, writer, orderedBy);
  }

  /** An entry, in the transaction that is under way on the client, if there is one. */
  async record(entry: Omit<NewEntry, 'actor' | 'onBehalfOf'>): Promise<void> {
    const complete = { ...entry, actor: 'system/commands', onBehalfOf: this.orderedBy };
    await this.client.query(writeEntriesSql, [JSON.stringify([complete])]);
  }

  /** Seals what was recorded and exports the head. Not within a transaction of the caller's. */
  async close(): Promise<void> {
    let head: Head | undefined;
    for (;;) {
      await this.client.query('begin');
      const sealed = await sealNext(this.client, this.writer).catch(async (error: unknown) => {
        await this.client.query('rollback');
        throw error;
      });
      await this.client.query('commit');
      if (!sealed) break;
      head = sealed.head;
    }
    // Before it is closed: the head of a writer that died is exported by a hub.
    if (head) await this.heads.append([head]);
    await this.client.query(closedSql, [this.writer]);
  }
}
