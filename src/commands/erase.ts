import { parseArgs } from 'node:util';
import { EnginePool } from '../database/engine-pool.js';
import { EngineTransactions } from '../database/engine-transactions.js';
import { Signals } from '../database/signals.js';
import { Erasure } from '../erasure/erasure.js';
import { reportOn, reportText } from '../erasure/erasure-report.js';
import type { Looked } from '../erasure/history-pieces.js';
import { ErasureRefused } from '../erasure/patient-record.js';
import { Outbox } from '../events/outbox/outbox.js';
import { counted } from '../platform/counted.js';
import { Logger } from '../platform/logger.js';
import { DataKeys } from '../sealing/data-keys.js';
import { loadMasterKeys } from '../sealing/load-master-keys.js';
import {
  calledAs,
  databaseUrlOf,
  failed,
  Mistake,
  Misuse,
  settingsOfCommand,
  userOfCommand,
} from './operator.js';

const called = calledAs('erase');

const HELP = `Erases a patient from all that the hub keeps, and reports what it did (docs/patients-rights.md).

  ${called} --practice ID --patient ID --dry-run    counts, and changes nothing
  ${called} --practice ID --patient ID --yes        erases; what was cut off goes on when it is run again

  --with-account   the account too, though it is in another's name, if nobody else is on it
  --by NAME        who gave the order, for the audit trail; else the user who runs the command
  --json           the report as JSON

Asks the database of DATABASE_URL, else the embedded one of a hub that runs on HUB_DATA_DIR. It takes the
master keys that the hub takes. Hubs go on meanwhile.`;

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

async function main(args: string[]): Promise<void> {
  const values = parse(args);
  if (values.help) return console.log(HELP);
  if (values['dry-run'] === values.yes) {
    const wrong = values.yes
      ? '--dry-run and --yes exclude each other.'
      : 'Nothing was done: say --dry-run to count, or --yes to erase.';
    throw new Misuse(wrong, HELP);
  }
  if (!uuid.test(values.practice ?? '') || !uuid.test(values.patient ?? '')) {
    throw new Mistake('--practice and --patient are ids of the hub, which are UUIDs.');
  }
  const settings = settingsOfCommand();
  const url = await databaseUrlOf(settings);
  const pool = new EnginePool(url, 8);
  const signals = new Signals(url);
  try {
    // Before anything is erased: an older database lacks what this version asks for.
    await pool.query('select from account_former_guarantors limit 0');
    const { master } = await loadMasterKeys(settings, pool);
    const keys = new DataKeys(pool, master, signals, new Logger(settings.logLevel));
    const transactions = new EngineTransactions(pool, signals);
    const erasure = new Erasure(pool, transactions, new Outbox(keys), keys, signals, progress);
    const request = {
      practiceId: values.practice!,
      patientId: values.patient!,
      withAccount: values['with-account'],
      orderedBy: values.by ?? userOfCommand(),
    };
    const isPreview = values['dry-run'];
    const done = isPreview ? await erasure.preview(request) : await erasure.run(request);
    const report = await reportOn(pool, settings, done, isPreview);
    console.log(values.json ? JSON.stringify(report, undefined, 2) : reportText(report));
  } finally {
    await signals.flushed();
    await signals.stop();
    await pool.end();
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        practice: { type: 'string' },
        patient: { type: 'string' },
        'dry-run': { type: 'boolean', default: false },
        yes: { type: 'boolean', default: false },
        'with-account': { type: 'boolean', default: false },
        by: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    // npm keeps options for itself that stand before the two dashes, and passes on their values.
    throw new Mistake(
      `${(error as Error).message}. It is called like this: ${called} --practice ID --patient ID --dry-run`,
    );
  }
}

/** Beside the report, so that its output stays the report alone. */
function progress(what: Looked, seen: number): void {
  const many = what === 'delivery' ? 'deliveries' : undefined;
  if (seen > 0) process.stderr.write(`${counted(seen, what, many)} looked at\n`);
}

main(process.argv.slice(2)).catch((error: unknown) =>
  failed(error instanceof ErasureRefused ? new Mistake(error.message) : error),
);
