import type { LoggerService } from '@nestjs/common';
import { pino, type DestinationStream, type Logger as Pino } from 'pino';

/**
 * The hub's log: JSON lines that carry ids, never patient data or secrets. Errors are reduced to their name, code
 * and stack: a database's message may quote the values it refused.
 */
export class Logger implements LoggerService {
  private readonly pino: Pino;

  constructor(level: string, destination?: DestinationStream) {
    this.pino = pino(
      {
        level,
        base: undefined,
        timestamp: pino.stdTimeFunctions.isoTime,
        serializers: { err: safeError },
      },
      destination ?? pino.destination({ fd: 1, sync: false }),
    );
  }

  /** Whether anything is written at the most verbose level, for what is dear to put together. */
  get isTracing(): boolean {
    return this.pino.isLevelEnabled('trace');
  }

  trace(fields: object | string, message?: string): void {
    this.write('trace', fields, message);
  }
  debug(fields: object | string, message?: string): void {
    this.write('debug', fields, message);
  }
  info(fields: object | string, message?: string): void {
    this.write('info', fields, message);
  }
  warn(fields: object | string, message?: string): void {
    this.write('warn', fields, message);
  }
  error(fields: object | string, message?: string): void {
    this.write('error', fields, message);
  }
  /** NestJS's name for info; its own start-up chatter is of use only while developing. */
  log(message: string, context?: string): void {
    this.pino.debug({ context }, message);
  }

  private write(
    level: 'trace' | 'debug' | 'info' | 'warn' | 'error',
    fields: object | string,
    message?: string,
  ) {
    if (typeof fields === 'string') this.pino[level]({ context: message }, fields);
    else this.pino[level](fields, message);
  }
}

function safeError(error: unknown): object {
  if (!(error instanceof Error)) return { name: typeof error };
  const { name, code, stack } = error as Error & { code?: string };
  // The frames without the first line, which repeats the message.
  return {
    name,
    code,
    at: stack
      ?.split('\n')
      .filter((line) => /^\s+at /.test(line))
      .slice(0, 6),
  };
}
