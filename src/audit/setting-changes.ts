import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { EnginePool } from '../database/engine-pool.js';
import { Settings } from '../platform/settings.js';
import type { NewEntry } from './audit-entry.js';
import { digestOf } from './merkle.rules.js';
import { writeEntriesSql } from './sql/write.js';

/** The settings that decide who hears what, and what is kept of it. Their values stand in the trail; secrets' do not. */
const recorded = [
  'kafkaBrokers',
  'kafkaTopic',
  'kafkaPayload',
  'kafkaTls',
  'eventRetentionDays',
  'keepResponses',
  'apiRateLimit',
  'corsOrigins',
  'allowNetworks',
  'auditRetentionYears',
  'disclosureRetentionYears',
  'publicUrl',
] as const satisfies readonly (keyof Settings)[];

/** Of secrets what tells two apart, and no more. */
const fingerprinted = ['operatorKey'] as const satisfies readonly (keyof Settings)[];

/** Records at the start of a hub what has been configured otherwise than at the last start of any. */
@Injectable()
export class SettingChanges implements OnApplicationBootstrap {
  constructor(
    private readonly pool: EnginePool,
    private readonly settings: Settings,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const present = valuesOf(this.settings);
    await this.pool.transaction(async (client) => {
      // Hubs that start together would each record the same change.
      await client.query(`select pg_advisory_xact_lock(hashtextextended('audit settings', 2))`);
      const { rows } = await client.query<{ name: string; value: string | null }>(
        'select name, value from audit_settings',
      );
      const former = new Map(rows.map(({ name, value }) => [name, value]));
      // What has never been given is told by nothing, at the first start of all too.
      const changed = [...present].filter(([name, value]) => (former.get(name) ?? null) !== value);
      if (changed.length === 0) return;
      const entries = changed.map(([name, value]): NewEntry => ({
        action: 'setting.changed',
        actor: 'system/start',
        subject: `settings/${name}`,
        detail: { from: former.get(name) ?? null, to: value },
      }));
      await client.query(writeEntriesSql, [JSON.stringify(entries)]);
      await client.query(
        `insert into audit_settings (name, value) select * from unnest($1::text[], $2::text[])
         on conflict (name) do update set value = excluded.value`,
        [changed.map(([name]) => name), changed.map(([, value]) => value)],
      );
    });
  }
}

/** As text; null where a setting is not given. */
function valuesOf(settings: Settings): Map<string, string | null> {
  const values = new Map<string, string | null>();
  for (const name of recorded) {
    const value = settings[name];
    values.set(name, value === undefined ? null : String(value));
  }
  for (const name of fingerprinted) {
    const value = settings[name];
    values.set(name, value === undefined ? null : digestOf(value).toString('hex').slice(0, 16));
  }
  return values;
}
