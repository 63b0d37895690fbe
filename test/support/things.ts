import { anApplication, asApplication, type Client } from './applications.js';
import { book } from './factories-appointments.js';
import { anEntry, aPatient, aPractice } from './factories-patients.js';
import { aGrant, aPartner } from './partners.js';
import type { TestHub } from './start-hub.js';

/** One of each, under the names that paths have for them; none of what only a webhook brings about. */
export interface Things {
  known: Record<string, string>;
  /** Reaches the practice, and only that. */
  client: Client;
}

/** A practice with somebody in it, what happened to them, and an endpoint at an address where nobody listens. */
export async function someThings(hub: TestHub): Promise<Things> {
  const practice = await aPractice(hub);
  const patient = await aPatient(hub, practice);
  const clinic = { practiceId: practice.id, patientId: patient.id, accountId: patient.accountId };
  const application = await anApplication(hub, [practice]);
  const client = await asApplication(hub, application);
  const entry = (family: 'charges' | 'payments' | 'adjustments') =>
    anEntry(hub, practice, family, { patientId: patient.id });
  const charge = await entry('charges');
  const target = { url: 'http://127.0.0.1:9/', eventTypes: ['patient.created'] };
  const partner = await aPartner(hub);
  const { rows } = await hub.database.query('select id from events limit 1');
  return {
    client,
    known: {
      practiceId: practice.id,
      patientId: patient.id,
      accountId: patient.accountId,
      appointmentId: (await book(hub, clinic, '2031-03-10T15:30:00Z')).id,
      chargeId: charge.id,
      entryId: charge.id,
      paymentId: (await entry('payments')).id,
      adjustmentId: (await entry('adjustments')).id,
      endpointId: (await hub.api('POST', '/v1/endpoints', target)).body.id,
      deliveryId: crypto.randomUUID(),
      replayId: crypto.randomUUID(),
      eventId: rows[0].id,
      applicationId: application.id,
      partnerId: partner.id,
      grantId: (await aGrant(hub, practice, partner)).id,
      keyId: client.keyId,
      type: 'charge.posted',
      version: '1',
    },
  };
}

/** A path with the things that stand for its parameters, or what `other` gives for them. */
export function pathOf(
  template: string,
  known: Readonly<Record<string, string>>,
  other: (name: string) => string | undefined = () => undefined,
): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = other(name) ?? known[name];
    if (value === undefined) throw new Error(`say what stands for {${name}} of ${template}`);
    return value;
  });
}

/** How many rows each table holds: what an attack must not lessen. */
export async function rowsOf({
  database,
}: Pick<TestHub, 'database'>): Promise<Map<string, number>> {
  const { rows } = await database.query<{ name: string; rows: number }>(
    `select c.relname as name,
            (xpath('/row/n/text()', query_to_xml(format('select count(*) as n from %I', c.relname), false, true, '')))[1]::text::int as rows
     from pg_class as c where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace and not c.relispartition`,
  );
  return new Map(rows.map((row) => [row.name, row.rows]));
}
