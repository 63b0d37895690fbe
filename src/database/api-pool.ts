import pg from 'pg';
import { PooledClient } from './pooled-client.js';
import { isSameScope, nothing, type Scope } from './scope.js';

const setScope = {
  name: 'scope-of-session',
  text: `select set_config('hub.practices', $1, false), set_config('hub.actor', $2, false)`,
};

type Send = (...parameters: unknown[]) => unknown;

/**
 * A connection that tells the database for whom it works. The session keeps what it was told, so that a statement
 * under the same scope as the one before costs nothing; another scope travels ahead of its first statement, in one
 * packet with it. Whoever has got the connection and names no scope works under none and finds nothing.
 */
export class ApiClient extends PooledClient {
  private wanted = nothing;
  /** What the session was told; undefined where that is not known. */
  private held: Scope | undefined = nothing;

  /** For every statement from now on, until the connection goes back. */
  scopeTo(scope: Scope): void {
    this.wanted = scope;
  }

  /** For a transaction that is about to begin and tells its own scope, of which nothing is left when it ends. */
  leaveScope(): void {
    this.wanted = this.held ?? nothing;
  }

  // pg declares nine ways to call it; all of them are passed on as they came.
  override query(...parameters: never[]): never {
    const send: Send = (...all) => (super.query as Send).apply(this, all);
    return this.sendScoped(send, parameters) as never;
  }

  private sendScoped(send: Send, parameters: readonly unknown[]): unknown {
    if (this.held && isSameScope(this.held, this.wanted)) return send(...parameters);
    const told = this.tellScope(send);
    const callback: unknown = parameters.at(-1);
    if (typeof callback === 'function') {
      return send(...parameters.slice(0, -1), (error: unknown, result: unknown) =>
        callback(told.failure ?? error, result),
      );
    }
    return (send(...parameters) as Promise<unknown>).then((result) => {
      if (told.failure) throw told.failure;
      return result;
    });
  }

  /** Where this fails, the statement behind it has run under another's scope: its result must reach nobody. */
  private tellScope(send: Send): { failure?: Error } {
    const told: { failure?: Error } = {};
    const { practices, actor } = (this.held = this.wanted);
    this.gather();
    send({ ...setScope, values: [practices, actor] }, (error: Error | null) => {
      if (!error) return;
      told.failure = error;
      this.held = undefined;
    });
    return told;
  }
}

/** The connections of the REST API. None brings the scope of its last user to the next one. */
export class ApiPool extends pg.Pool {
  constructor(options: pg.PoolConfig) {
    super({ ...options, Client: ApiClient } as pg.PoolConfig);
    this.on('acquire', (client) => (client as pg.PoolClient & ApiClient).scopeTo(nothing));
  }
}
