import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { EventBus, type BusHealth } from '../events/bus/event-bus.js';
import { DataKeys } from '../sealing/data-keys.js';
import { holdersSql } from './sql/holders.js';

interface Holder {
  holder: string;
  since: string;
}

export interface Health {
  /** `degraded`: facts are accepted, but something that carries them on needs attention. */
  status: 'up' | 'degraded' | 'down';
  database: { up: boolean };
  bus?: BusHealth;
  /** Events a consumer could not handle; `npm run parked` lists them. */
  parkedEvents?: number;
  /** Data keys that this hub needed and cannot unwrap: a master key is missing, and what is sealed under them waits. */
  lockedDataKeys?: number;
  /** Who has kept a transaction open for long and so holds the log's horizon back for every reader. */
  horizonHeldBy?: Holder[];
}

const freshMs = 1000;

@Injectable()
export class HealthService {
  private latest?: { at: number; health: Promise<Health> };

  constructor(
    private readonly dataSource: DataSource,
    private readonly bus: EventBus,
    private readonly keys: DataKeys,
  ) {}

  /** At most one look a second, however often it is asked: the route is open to all. */
  async check(): Promise<Health> {
    if (!this.latest || performance.now() - this.latest.at > freshMs) {
      this.latest = { at: performance.now(), health: this.look() };
    }
    return this.latest.health;
  }

  private async look(): Promise<Health> {
    try {
      const [{ parked, holders }]: [{ parked: number; holders: Holder[] }] =
        await this.dataSource.query(holdersSql);
      const bus = await this.bus.health();
      const { lockedCount } = this.keys;
      const well = bus.up && parked + holders.length + lockedCount === 0;
      return {
        status: well ? 'up' : 'degraded',
        database: { up: true },
        bus,
        parkedEvents: parked,
        lockedDataKeys: lockedCount,
        horizonHeldBy: holders,
      };
    } catch {
      return { status: 'down', database: { up: false } };
    }
  }
}
