import 'reflect-metadata';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { dataSourceOptions } from '../src/database/data-source.js';
import { Signals } from '../src/database/signals.js';
import { Transactions } from '../src/database/transactions.js';
import { catalog } from '../src/events/catalog/catalog.js';
import { Outbox, type NewEvent } from '../src/events/outbox/outbox.js';
import { readSettings } from '../src/platform/settings.js';
import { WebhookBodies } from '../src/subscriptions/deliveries/webhook-body.js';
import { withKeys } from './sealing.js';

/** Of one transaction, over all practices: a night's import, not a click. */
const eventsPerTransaction = 1000;
const connections = 12;

/** What was done, in the words of a dentist who types: brings the data of the event to about 0.7 KB. */
export const description =
  'Periodic oral evaluation, adult prophylaxis, four bitewing radiographs. Probing depths within normal limits ' +
  'apart from 4 mm distal of 14 and 31; bleeding on probing localized, home care reviewed. Amalgam on 30 shows a ' +
  'marginal ditch, to be watched. Next visit in six months.';

export function chargePosted(practiceId: string): NewEvent<'charge.posted'> {
  const [accountId, patientId, entryId] = [uuidv7(), uuidv7(), uuidv7()];
  const data = { ...catalog['charge.posted'].example, accountId, patientId, entryId, description };
  return { type: 'charge.posted', practiceId, subjectId: accountId, subjectVersion: 1, data };
}

/**
 * Writes charges to the log as the hub's own modules do: practices locked, data checked against its schema, the
 * outbox's statement. Only the rows of the ledger are left out.
 */
export async function writeCharges(
  databaseUrl: string,
  practiceIds: readonly string[],
  count: number,
): Promise<void> {
  const source = await new DataSource(dataSourceOptions(databaseUrl, connections)).initialize();
  const signals = new Signals(databaseUrl);
  const transactions = new Transactions(source, signals);
  const cause = { actor: 'operator', correlationId: 'bench' };
  try {
    await withKeys(databaseUrl, signals, async (keys) => {
      const outbox = new Outbox(keys);
      for (let written = 0; written < count; written += eventsPerTransaction) {
        const size = Math.min(eventsPerTransaction, count - written);
        const charges = Array.from({ length: size }, (_, i) =>
          chargePosted(practiceIds[i % practiceIds.length]!),
        );
        await transactions.run(practiceIds, (tx) => outbox.append(tx, cause, charges));
      }
    });
  } finally {
    await signals.stop();
    await source.destroy();
  }
}

/** A webhook of such a charge, as the hub renders it. */
export function chargeWebhook(): string {
  const practiceId = uuidv7();
  const { subjectId, data } = chargePosted(practiceId);
  const event = {
    id: uuidv7(),
    type: 'charge.posted',
    typeVersion: 1,
    position: '1.1000.10000',
    practiceId,
    source: `/practices/${practiceId}`,
    subject: `accounts/${subjectId}`,
    subjectVersion: 1,
    time: new Date(),
    actor: 'operator',
    correlationId: 'bench',
    causationId: null,
    traceparent: null,
    data,
  };
  return new WebhookBodies(readSettings({})).body(event, 'full', uuidv7(), '10000').toString();
}
