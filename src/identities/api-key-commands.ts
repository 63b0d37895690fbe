import { Injectable } from '@nestjs/common';
import { Signals } from '../database/signals.js';
import type { Tx } from '../database/transactions.js';
import { Answer } from '../platform/http/answer.js';
import { Commands } from '../platform/http/commands.js';
import type { RequestContext } from '../platform/http/request-context.js';
import type { NewApiKey } from './api-key.dto.js';
import { ApiKeys } from './api-keys.service.js';

/** Whose keys they are. */
export interface KeyOwner {
  /** As events spell it, `applications/{id}`: with `/v1/` before it also its address. */
  name: string;
  /** Holds the owner's row. @throws Problem 404 */
  lock(tx: Tx): Promise<unknown>;
}

/** Makes and revokes keys, whoever's they are. */
@Injectable()
export class ApiKeyCommands {
  constructor(
    private readonly keys: ApiKeys,
    private readonly commands: Commands,
    private readonly signals: Signals,
  ) {}

  create(context: RequestContext, owner: KeyOwner, body: NewApiKey): Promise<Answer> {
    return this.commands.run(context, [], async (tx) => {
      await owner.lock(tx);
      const { apiKey, key } = await this.keys.create(tx, owner.name, body);
      return Answer.created(`/v1/${owner.name}/keys/${apiKey.id}`, apiKey, { key });
    });
  }

  /** It opens nothing any more, at any hub, once this has resolved and the signal has arrived there. */
  async revoke(context: RequestContext, owner: KeyOwner, id: string): Promise<Answer> {
    const answer = await this.commands.run(context, [], async (tx) => {
      await owner.lock(tx);
      return Answer.noContent(await this.keys.revoke(tx, owner.name, id));
    });
    this.signals.emit('access');
    return answer;
  }
}
