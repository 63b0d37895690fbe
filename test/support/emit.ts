import { v7 as uuidv7 } from 'uuid';
import { Transactions } from '../../src/database/transactions.js';
import { catalog, type EventData } from '../../src/events/catalog/catalog.js';
import { Outbox } from '../../src/events/outbox/outbox.js';
import type { TestHub } from './start-hub.js';

/** Writes events the way a business module does, for specs that care for what happens to events and not why. */
export async function emitPatientCreated(
  hub: TestHub,
  practiceId: string,
  count = 1,
  more: Partial<EventData<'patient.created'>> = {},
): Promise<string[]> {
  const transactions = hub.app.get(Transactions);
  const outbox = hub.app.get(Outbox);
  const cause = { actor: 'operator', correlationId: 'a-spec' };
  return transactions.run([practiceId], (tx) =>
    outbox.append(
      tx,
      cause,
      Array.from({ length: count }, () => {
        const [patientId, accountId] = [uuidv7(), uuidv7()];
        return {
          type: 'patient.created' as const,
          practiceId,
          subjectId: patientId,
          subjectVersion: 1,
          data: { ...catalog['patient.created'].example, patientId, accountId, ...more },
        };
      }),
    ),
  );
}

/** Some events about one subject, numbered by their subjectversion from `from`. */
export async function emitAbout(
  hub: TestHub,
  practiceId: string,
  subjectId: string,
  count: number,
  from = 1,
): Promise<string[]> {
  const outbox = hub.app.get(Outbox);
  const cause = { actor: 'operator', correlationId: 'a-spec' };
  const data = { ...catalog['patient.created'].example, patientId: uuidv7(), accountId: uuidv7() };
  return hub.app.get(Transactions).run([practiceId], (tx) =>
    outbox.append(
      tx,
      cause,
      Array.from({ length: count }, (_, i) => {
        const about = { practiceId, subjectId, subjectVersion: from + i };
        return { type: 'patient.created' as const, ...about, data };
      }),
    ),
  );
}
