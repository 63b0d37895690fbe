import { setTimeout as delay } from 'node:timers/promises';
import type { Fault, PlannedFault } from './plan.js';
import type { Stage } from './stage.js';

const names = {
  SIGKILL: 'kill -9',
  SIGQUIT: 'immediate stop',
  SIGINT: 'fast stop',
  SIGTERM: 'orderly stop',
} as const;

/** Carries out a plan, and counts what it did. */
export class Faults {
  /** How often, by what was done. */
  readonly done = new Map<string, number>();

  constructor(
    private readonly stage: Stage,
    private readonly say: (line: string) => void,
    private readonly signal: AbortSignal,
  ) {}

  /** Resolves when the last one is mended. @throws when something that was ended does not start again */
  async carryOut(plan: readonly PlannedFault[]): Promise<void> {
    await Promise.all(
      plan.map(async ({ atMs, fault }) => {
        await delay(atMs, undefined, { signal: this.signal });
        await this.inflict(fault);
      }),
    );
  }

  private async inflict(fault: Fault): Promise<void> {
    const { stage, signal } = this;
    const lasts = () => delay(fault.forMs, undefined, { signal });
    const seconds = `${(fault.forMs / 1000).toFixed(1)} s`;
    switch (fault.kind) {
      case 'kill-hub': {
        const hub = stage.hubs[fault.hub]!;
        this.note('hub kill -9', `kill -9 ${hub.name}`);
        hub.kill(lasts().catch(() => undefined));
        return;
      }
      case 'freeze-hub': {
        const hub = stage.hubs[fault.hub]!;
        this.note('hub frozen', `freeze ${hub.name} for ${seconds}`);
        hub.freeze();
        await lasts().finally(() => hub.thaw());
        return;
      }
      case 'broker': {
        const broker = stage.broker!;
        this.note(`Kafka ${names[fault.signal]}`, `Kafka: ${names[fault.signal]}, away ${seconds}`);
        if (broker.pid) process.kill(broker.pid, fault.signal);
        await broker.ended;
        await lasts();
        await broker.restart();
        this.say('Kafka is back');
        return;
      }
      case 'database': {
        const how = names[fault.signal];
        this.note(`PostgreSQL ${how}`, `PostgreSQL: ${how}, away ${seconds}`);
        await stage.database.end(fault.signal);
        await lasts();
        await stage.database.startAgain();
        this.say('PostgreSQL is back');
        return;
      }
      case 'receiver': {
        const { receiver } = stage;
        this.note(`receiver ${fault.mood}`, `receiver: ${fault.mood} for ${seconds}`);
        if (fault.mood === 'absent') {
          await receiver.drop();
          await lasts();
          await receiver.open();
        } else {
          receiver.mood = fault.mood;
          await lasts();
          receiver.mood = 'well';
        }
        this.say('receiver: well again');
      }
    }
  }

  private note(what: string, line: string): void {
    this.done.set(what, (this.done.get(what) ?? 0) + 1);
    this.say(line);
  }
}
