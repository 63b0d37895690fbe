import type { OnModuleDestroy } from '@nestjs/common';
import type { EventHeader } from '../log/event-log.js';
import type { Position } from '../position.js';

export type BusKind = 'log' | 'kafka';

/** An event that a group could not handle, and why. Never a payload. */
export interface ParkedEvent {
  event: EventHeader;
  reason: string;
}

/** A stretch of one partition, in log order; a practice's events all lie in one partition. */
export interface EventBatch {
  group: string;
  bus: BusKind;
  partition: number;
  /** Where the group's cursor must stand for this batch to be the next one. */
  after: Position;
  /** Where it stands once the batch is handled. */
  through: Position;
  /** May be empty, where every event of the stretch is parked or was consumed before. */
  events: EventHeader[];
  /** Events of the stretch that were found to be unhandleable; `claimBatch` puts them aside. */
  parked?: ParkedEvent[];
  /** A parked event that is driven once more, outside the cursor's course. */
  redriven?: boolean;
}

/**
 * Handles one batch. It must call `claimBatch` (claim.ts) first in the transaction of its effects: a batch arrives
 * at least once, and the claim makes its effects happen once. A handler that throws gets the batch again; an event
 * that alone makes it throw is parked.
 * @throws UnhandleableEvent for an event that it can never handle, which is then parked at once.
 */
export type BatchHandler = (batch: EventBatch) => Promise<void>;

/** Thrown by a handler for an event that it can never handle; the bus parks it and goes on. */
export class UnhandleableEvent extends Error {
  constructor(
    readonly eventId: string,
    readonly reason: string,
  ) {
    super(`Event ${eventId} cannot be handled: ${reason}`);
  }
}

export interface BusHealth {
  bus: BusKind;
  up: boolean;
  /** What is wrong, in words for the operator. Never a payload. */
  detail?: string;
  /** How long the oldest event waits that the bus has not carried to its topic yet; 0 when none does. */
  relayLagSeconds?: number;
}

export interface Subscription {
  /** Resolves when the batch under way is finished and the partition is free for another hub. */
  stop(): Promise<void>;
}

/**
 * Carries the log to groups of consumers. Both adapters keep the same contract (event-bus.contract.ts): every event
 * at least once to each group, in log order per practice, one consumer of a group and partition at a time.
 */
export abstract class EventBus implements OnModuleDestroy {
  abstract readonly kind: BusKind;
  /** A group that has never consumed begins at the start of the log. */
  abstract subscribe(group: string, handler: BatchHandler): Promise<Subscription>;
  abstract health(): Promise<BusHealth>;
  /** Nothing of this bus needs events at or below this position any more; retention may drop them. */
  abstract consumedThrough(): Promise<Position>;
  /** Ends every subscription. May be called more than once. */
  abstract close(): Promise<void>;

  onModuleDestroy(): Promise<void> {
    return this.close();
  }
}
