import type { EnginePool } from '../database/engine-pool.js';
import { subjectSql } from '../disclosures/sql/disclosures.js';
import { counted } from '../platform/counted.js';
import type { Settings } from '../platform/settings.js';
import type { Counts, ErasureRow } from './patient-record.js';
import { applicationsSql, keptSql, recipientsSql } from './sql/report.js';

/** A webhook ends after at most 30 seconds; a hub that has missed the signal looks again after five. */
const underWaySeconds = 35;
const dayMs = 86_400_000;

interface Recipient {
  partnerId: string;
  name: string | null;
  disclosures: number;
  /** Of these, sent and not acknowledged. */
  unconfirmed: number;
  first: Date;
  last: Date;
  modes: string[];
}

/** What an erasure has come to: for the practice, who answers the patient with it. */
export interface ErasureReport {
  /** Null for a preview. */
  erasureId: string | null;
  practiceId: string;
  patientId: string;
  requestedAt: Date | null;
  finishedAt: Date | null;
  erased: Counts;
  kept: { what: string; count: number; why: string }[];
  recipients: Recipient[];
  applications: { id: string; name: string }[];
  underWay: string[];
  /** What nobody can erase from here. */
  beyond: string[];
  warnings: string[];
}

interface KeptRow {
  appointments: number;
  entries: number;
  holders: string[];
  open_accounts: string[];
  now: Date;
}

/** Reads what the report tells besides the counts. @param isPreview nothing was erased */
export async function reportOn(
  pool: EnginePool,
  settings: Settings,
  erasure: ErasureRow,
  isPreview: boolean,
): Promise<ErasureReport> {
  const { practice_id, patient_id } = erasure;
  const about = [practice_id, patient_id];
  const subject = await pool.query<{ accounts: string[] }>(subjectSql, about);
  const values = [...about, subject.rows[0]?.accounts ?? []];
  const recipients = (await pool.query(recipientsSql, values)).rows.map((row): Recipient => ({
    partnerId: row.partner_id,
    name: row.name,
    disclosures: row.count,
    unconfirmed: row.unconfirmed,
    first: row.first_at,
    last: row.last_at,
    modes: row.modes,
  }));
  const kept = (await pool.query<KeptRow>(keptSql, values)).rows[0]!;
  const applications = await pool.query<{ id: string; name: string }>(applicationsSql, [
    practice_id,
  ]);
  const requestedAt = isPreview ? null : erasure.requested_at;
  return {
    erasureId: isPreview ? null : erasure.id,
    practiceId: practice_id,
    patientId: patient_id,
    requestedAt,
    finishedAt: isPreview ? null : erasure.finished_at,
    erased: erasure.counts,
    kept: keptOf(kept, recipients, erasure.account_ids, settings),
    recipients,
    applications: applications.rows,
    underWay: underWayOf(requestedAt, settings),
    beyond: [
      'Backups and write-ahead logs of the database hold it until they pass their own retention.',
      'The space in the database itself is overwritten after its next vacuum.',
    ],
    warnings: kept.open_accounts.map((id) => `The account ${id} is not settled.`),
  };
}

function keptOf(
  { appointments, entries, holders }: KeptRow,
  recipients: readonly Recipient[],
  erasedAccounts: readonly string[],
  { disclosureRetentionYears, auditRetentionYears }: Settings,
): ErasureReport['kept'] {
  const disclosures = recipients.reduce((sum, recipient) => sum + recipient.disclosures, 0);
  const others = holders.filter((id) => !erasedAccounts.includes(id)).length;
  const all = [
    {
      what: 'ledger entries',
      count: entries,
      why: 'bookkeeping demands amounts and days; names and free text are gone',
    },
    {
      what: 'appointments',
      count: appointments,
      why: 'times, providers and rooms are the practice’s own; note, reason and type are gone',
    },
    {
      what: 'account holders',
      count: others,
      why: 'the account is in another’s name, or others are on it',
    },
    {
      what: 'disclosures',
      count: disclosures,
      why: `the account of who was told what is owed to the patient, and kept for ${counted(disclosureRetentionYears, 'year')}; it has ids and no names`,
    },
    {
      what: 'audit entries',
      count: 0,
      why: `who did what is kept for ${counted(auditRetentionYears, 'year')}, by ids`,
    },
  ];
  return all.filter(({ what, count }) => count > 0 || what === 'audit entries');
}

function underWayOf(requestedAt: Date | null, settings: Settings): string[] {
  if (requestedAt === null) return [];
  const until = new Date(requestedAt.getTime() + underWaySeconds * 1000).toISOString();
  const all = [`A webhook that a hub was sending at that moment may have arrived until ${until}.`];
  if (settings.kafkaBrokers) {
    const gone = new Date(requestedAt.getTime() + settings.eventRetentionDays * dayMs);
    all.push(
      `The Kafka topic ${settings.kafkaTopic} holds records in payload mode ${settings.kafkaPayload}; ` +
        `they cannot be recalled and pass its retention by ${gone.toISOString()}.`,
    );
  }
  return all;
}

/** The report as text. Pure. */
export function reportText(report: ErasureReport): string {
  const { erased, kept, recipients, applications } = report;
  const list = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)];
  const time = (at: Date) => at.toISOString();
  return [
    report.erasureId === null
      ? `Nothing was erased. This is what would be, of patient ${report.patientId}:`
      : `Patient ${report.patientId} of practice ${report.practiceId} was erased (${report.erasureId}),`,
    ...(report.requestedAt && report.finishedAt
      ? [`ordered ${time(report.requestedAt)}, finished ${time(report.finishedAt)}.`]
      : []),
    ...list(
      'Erased',
      inOrder(erased).map(
        ([what, count]) => `${String(count).padStart(7)}  ${labelOf(what, count)}`,
      ),
    ),
    ...list(
      'Kept',
      kept.map(({ what, count, why }) => `${keptLabel(what, count)}: ${why}`),
    ),
    ...list(
      'Partners who were told of the patient, and whom the practice may ask to erase it',
      recipients.map(
        ({ partnerId, name, disclosures, unconfirmed, first, last, modes }) =>
          `${name ?? 'unknown'} (${partnerId}): ${counted(disclosures, 'time')}, ${unconfirmed} of them unconfirmed, ` +
          `${time(first)} to ${time(last)}, ${modes.join(', ')}`,
      ),
    ),
    ...list(
      'Applications of the practice, which keep data of their own',
      applications.map(({ id, name }) => `${name} (${id})`),
    ),
    ...list('Still under way', report.underWay),
    ...list('Beyond the hub', report.beyond),
    ...list('To look after', report.warnings),
    '',
  ].join('\n');
}

/** As a preview has them: PostgreSQL keeps the members of an object in an order of its own. */
function inOrder(counts: Counts): [what: string, count: number][] {
  const order = Object.keys(labels);
  return Object.entries(counts).sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
}

/** What is counted, of one and of more. */
const labels: Record<string, readonly [one: string, many: string]> = {
  patients: ['patient record', 'patient records'],
  accounts: ['account holder', 'account holders'],
  appointments: [
    'appointment: note, reason, type, numbers in other systems',
    'appointments: note, reason, type, numbers in other systems',
  ],
  ledgerEntries: ['ledger entry: names and free text', 'ledger entries: names and free text'],
  externalIds: ['number in another system', 'numbers in other systems'],
  events: ['payload of an event', 'payloads of events'],
  deliveries: ['webhook that was still to be sent', 'webhooks that were still to be sent'],
  responses: ['answer of a receiver', 'answers of receivers'],
  answers: ['kept answer to a request', 'kept answers to requests'],
};

function labelOf(what: string, count: number): string {
  return labels[what]?.[count === 1 ? 0 : 1] ?? what;
}

/** What is not counted has no number: nobody looks through the audit trail for it. */
function keptLabel(what: string, count: number): string {
  if (count === 0) return what;
  return counted(count, what.replace(/ies$/, 'y').replace(/s$/, ''), what);
}
