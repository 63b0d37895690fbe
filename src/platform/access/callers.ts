import { Injectable } from '@nestjs/common';
import { tooMany } from '../http/problem.js';
import { isKeyForm, isToken } from './api-key.js';
import { bearerOf, type Credential } from './bearer.js';
import { narrowed, operator, type Caller } from './caller.js';
import { KeyRing } from './key-ring.js';
import { OperatorKeys } from './operator-key.js';
import { TokenRing } from './token-ring.js';

/** Looks at the database, in a second, for keys never seen before from addresses that guess. */
const guessesPerSecond = 10;

/** Who calls, from what a request brings: the operator's key, another's, or a token minted from one. */
@Injectable()
export class Callers {
  private second = 0;
  private guesses = 0;

  constructor(
    private readonly operatorKeys: OperatorKeys,
    private readonly keys: KeyRing,
    private readonly tokens: TokenRing,
  ) {}

  /**
   * Undefined where the header is none, or opens nothing. Asked again, it decides again, by what holds then.
   * @param isSuspect whether the address has guessed too often
   * @throws Problem 429 where a look at what may be one more guess has to wait
   */
  async of(authorization: string | undefined, isSuspect = false): Promise<Caller | undefined> {
    const credential = bearerOf(authorization);
    if (!credential) return undefined;
    const { text, digest, name } = credential;
    if (this.operatorKeys.accepts(digest)) return operator;
    // What was mistyped or made up is told without a look at the database.
    if (!isKeyForm(text)) return undefined;
    if (isSuspect) this.allowGuess(credential);
    return isToken(text) ? this.ofToken(credential) : this.keys.callerOf(digest, name);
  }

  /** The key whose limit a request counts for: its own, or the one that its token was minted from. */
  async keyNameOf(authorization: string | undefined): Promise<string | undefined> {
    const credential = bearerOf(authorization);
    if (!credential) return undefined;
    const { text, digest, name } = credential;
    if (!isToken(text) || !isKeyForm(text) || !this.tokens.knows(name)) return name;
    return (await this.tokens.find(digest, name))?.keyName ?? name;
  }

  private async ofToken({ digest, name }: Credential): Promise<Caller | undefined> {
    const token = await this.tokens.find(digest, name);
    if (!token) return undefined;
    const { keyDigest, keyName, scopes, practiceIds } = token;
    const owner = this.operatorKeys.accepts(keyDigest)
      ? operator
      : await this.keys.callerOf(keyDigest, keyName);
    return owner && narrowed(owner, scopes, practiceIds);
  }

  // Keys in use come in at once, others once in a while: a flood of guesses takes no connection from the engine.
  private allowGuess({ name }: Credential): void {
    if (this.keys.knows(name) || this.tokens.knows(name)) return;
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.second) [this.second, this.guesses] = [second, 0];
    this.guesses += 1;
    if (this.guesses > guessesPerSecond) {
      throw tooMany('Too many keys that open nothing came from this address.', 1);
    }
  }
}
