import type { EventHeader } from '../log/event-log.js';
import type { Position } from '../position.js';

export type BusKind = 'log' | 'kafka';

/** A stretch of one partition, in log order; a practice's events all lie in one partition. */
export interface EventBatch {
  group: string;
  bus: BusKind;
  partition: number;
  /** Where the group's cursor must stand for this batch to be the next one. */
  after: Position;
  /** Where it stands once the batch is handled. */
  through: Position;
  /** May be empty where every event of the stretch has been parked. */
  events: EventHeader[];
  /** A parked event that is driven once more, outside the cursor's course. */
  redriven?: boolean;
}

/**
 * Handles one batch. It must call `claimBatch` (claim.ts) first in the transaction of its effects: a batch arrives
 * at least once, and the claim makes its effects happen once. A handler that throws gets the batch again.
 * @throws UnhandleableEvent for an event that it can never handle, which is then parked.
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
}

export interface Subscription {
  /** Resolves when the batch under way is finished and the partition is free for another hub. */
  stop(): Promise<void>;
}

/**
 * Carries the log to groups of consumers. Both adapters keep the same contract (event-bus.contract.ts): every event
 * at least once to each group, in log order per practice, one consumer of a group and partition at a time.
 */
export abstract class EventBus {
  abstract readonly kind: BusKind;
  /** A group that has never consumed begins at the start of the log. */
  abstract subscribe(group: string, handler: BatchHandler): Promise<Subscription>;
  abstract health(): Promise<BusHealth>;
  abstract close(): Promise<void>;
}
