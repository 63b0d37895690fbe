import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { EngineTransactions } from '../../database/engine-transactions.js';
import { lockPractices } from '../../database/transactions.js';
import {
  type AnyEndpointEvent,
  endpointKey,
  EndpointEvents,
} from '../endpoints/endpoint-events.js';
import type { LaneResult, Recording } from './result-recorder.js';

/**
 * Records deliveries that are given up, and tells their endpoint's owner in the same transaction: a dead letter nobody
 * hears of is a lost event. Not for deliveries of the hub's own words about endpoints: that would go round in circles.
 */
@Injectable()
export class DeadLetters {
  constructor(
    private readonly transactions: EngineTransactions,
    private readonly events: EndpointEvents,
  ) {}

  /** @param recording records these results, and answers the ids of those that it changed */
  async record(batch: readonly LaneResult[], { text, values }: Recording): Promise<void> {
    const locks = new Set(batch.map(({ lane }) => endpointKey(lane.target.id)));
    await this.transactions.run(async (tx) => {
      await lockPractices(tx, [...locks]);
      const changed = await tx.query<{ id: string }[]>(text, values);
      const dead = new Set(changed.map(({ id }) => id));
      const events = batch.flatMap(({ lane, result }): AnyEndpointEvent[] => {
        const { delivery, number, outcome, statusCode } = result;
        const { event, sequence } = delivery;
        if (!dead.has(delivery.id) || event.type.startsWith('endpoint.')) return [];
        const own = { deliveryId: delivery.id, eventId: event.id, eventType: event.type };
        return [
          {
            endpointId: lane.target.id,
            type: 'endpoint.delivery_exhausted',
            data: {
              ...own,
              sequence,
              attempts: number,
              lastError: statusCode === null ? outcome : `${outcome} ${statusCode}`,
            },
          },
        ];
      });
      const cause = { actor: 'system/deliveries', correlationId: randomUUID() };
      await this.events.append(tx, cause, events);
    });
  }
}
