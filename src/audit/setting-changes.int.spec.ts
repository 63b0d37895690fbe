import { expect, it } from '@jest/globals';
import { createTestDatabase } from '../../test/support/postgres.js';
import { startTestHub } from '../../test/support/start-hub.js';

/** What a hub that starts with these settings puts on record of them. */
async function recordedBy(
  databaseUrl: string,
  settings: Record<string, string>,
): Promise<Map<string, object>> {
  const hub = await startTestHub({ databaseUrl, settings });
  try {
    const { rows } = await hub.database.query(
      `select subject, detail from audit_entries where action = 'setting.changed'`,
    );
    return new Map(rows.map(({ subject, detail }) => [subject, detail]));
  } finally {
    await hub.close();
  }
}

it('tells of settings at the first start what they are, and later what they were before', async () => {
  const database = await createTestDatabase();
  try {
    const first = await recordedBy(database.url, {});
    expect(first.get('settings/kafkaPayload')).toEqual({ from: null, to: 'minimum' });
    expect(first.get('settings/disclosureRetentionYears')).toEqual({ from: null, to: '6' });
    expect([...first].filter(([, detail]) => (detail as { to: unknown }).to === null)).toEqual([]);
    expect(first.has('settings/corsOrigins')).toBe(false);

    const origin = 'https://portal.example.com';
    const second = await recordedBy(database.url, { HUB_CORS_ORIGINS: origin });
    expect(second.size).toBe(first.size + 1);
    expect(second.get('settings/corsOrigins')).toEqual({ from: null, to: origin });
  } finally {
    await database.drop();
  }
});
