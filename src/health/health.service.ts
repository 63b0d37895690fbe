import { Injectable } from '@nestjs/common';
import { EnginePool } from '../database/engine-pool.js';
import { EventBus, type BusHealth } from '../events/bus/event-bus.js';
import { holdersSql } from './sql/holders.js';

export interface Health {
  /** `degraded`: facts are accepted, but something that carries them on needs attention. */
  status: 'up' | 'degraded' | 'down';
  database: { up: boolean };
  bus?: BusHealth;
  /** Events a consumer could not handle; `npm run parked` lists them. */
  parkedEvents?: number;
  /** Who has kept a transaction open for long and so holds the log's horizon back for every reader. */
  horizonHeldBy?: { holder: string; since: string }[];
}

@Injectable()
export class HealthService {
  constructor(
    private readonly pool: EnginePool,
    private readonly bus: EventBus,
  ) {}

  async check(): Promise<Health> {
    try {
      const { rows } = await this.pool.query<{ parked: number; holders: Health['horizonHeldBy'] }>(
        holdersSql,
      );
      const { parked, holders = [] } = rows[0]!;
      const bus = await this.bus.health();
      const well = bus.up && parked === 0 && holders.length === 0;
      return {
        status: well ? 'up' : 'degraded',
        database: { up: true },
        bus,
        parkedEvents: parked,
        horizonHeldBy: holders,
      };
    } catch {
      return { status: 'down', database: { up: false } };
    }
  }
}
