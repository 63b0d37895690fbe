import type { EventHeader } from '../../events/log/event-log.js';

/**
 * The deliveries of a batch as the columns that `unnest` takes, each a PostgreSQL array literal: ids, numbers and names
 * of types (letters, digits, `_` and dots) need no escaping, for which the driver would search every one of them.
 */
export class DeliveryRows {
  private readonly columns: (string | number)[][] = [[], [], [], [], []];

  /** @param nth its number, or its place among those of its endpoint */
  add(endpointId: string, nth: number, event: EventHeader): void {
    const [endpoints, sequences, events, types, practices] = this.columns;
    endpoints!.push(endpointId);
    sequences!.push(nth);
    events!.push(event.id);
    types!.push(event.type);
    practices!.push(event.practiceId ?? 'null');
  }

  get length(): number {
    return this.columns[0]!.length;
  }

  /** All of them. */
  get literals(): string[] {
    return this.columns.map((column) => `{${column.join()}}`);
  }

  *chunks(size: number): Generator<{ columns: string[]; isLast: boolean }> {
    for (let from = 0; from < this.length; from += size) {
      const columns = this.columns.map((column) => `{${column.slice(from, from + size).join()}}`);
      yield { columns, isLast: from + size >= this.length };
    }
  }
}
