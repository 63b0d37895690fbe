import { unsafeSettings } from './safe-defaults.js';
import { definitions, type Definition, type SettingValues } from './setting-definitions.js';
import { UnreadableSetting } from './setting-readers.js';

// The class is the injection token, the interface gives it the definitions' fields.
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging
export interface Settings extends SettingValues {}
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging
export class Settings {
  /** The port in use, known once the hub listens: PORT=0 takes any free one. */
  boundPort?: number;

  constructor(values: SettingValues) {
    Object.assign(this, values);
  }

  /** True where the hub runs its own PostgreSQL: the default for one machine. */
  get embedded(): boolean {
    return this.databaseUrl === undefined;
  }

  get listenHost(): string {
    return this.host ?? (this.embedded ? '127.0.0.1' : '0.0.0.0');
  }

  /** What links begin with, without a slash at the end: HUB_PUBLIC_URL, else where the hub listens. */
  get baseUrl(): string {
    if (this.publicUrl) return this.publicUrl;
    const host = ['0.0.0.0', '::'].includes(this.listenHost) ? '127.0.0.1' : this.listenHost;
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.boundPort ?? this.port}`;
  }

  get webhookNetworks(): string[] {
    return this.allowNetworks ?? (this.embedded ? ['127.0.0.0/8', '::1/128'] : []);
  }
}

/** Thrown with every problem at once; a message names settings and what they expect, never their values. */
export class InvalidSettings extends Error {
  constructor(readonly problems: string[]) {
    super(`The settings are wrong:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
  }
}

/**
 * Reads the settings from an environment; an empty value counts as absent.
 * @throws InvalidSettings when a value cannot be read or a `HUB_*` name is unknown.
 */
export function readSettings(environment: Record<string, string | undefined>): Settings {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  const all: [string, Definition<unknown>][] = Object.entries(definitions);
  for (const [name, { env, read, fallback }] of all) {
    const given = environment[env] || fallback;
    if (given === undefined) continue;
    try {
      values[name] = read(given);
    } catch (error) {
      if (!(error instanceof UnreadableSetting)) throw error;
      problems.push(`${env} ${error.message}.`);
    }
  }
  const known = new Set(all.map(([, { env }]) => env));
  for (const env of Object.keys(environment)) {
    if (env.startsWith('HUB_') && !known.has(env)) {
      problems.push(`${env} is not a setting of the hub; .env.example lists them all.`);
    }
  }
  const settings = new Settings(values as unknown as SettingValues);
  if (settings.kafkaSaslMechanism && !(settings.kafkaSaslUsername && settings.kafkaSaslPassword)) {
    problems.push(
      'HUB_KAFKA_SASL_MECHANISM needs HUB_KAFKA_SASL_USERNAME and HUB_KAFKA_SASL_PASSWORD.',
    );
  }
  if (!settings.embedded || environment.NODE_ENV === 'production') {
    problems.push(...unsafeSettings(settings));
  }
  if (settings.masterKey && settings.masterKeyFile) {
    problems.push('HUB_MASTER_KEY and HUB_MASTER_KEY_FILE say the same; set one of them.');
  }
  if (problems.length > 0) throw new InvalidSettings(problems);
  return settings;
}

/** The text of `.env.example`, generated so that it cannot differ from what the hub reads. */
export function envExample(): string {
  const lines = [
    '# Every setting of the hub, with its default. Copy to .env and change what you need.',
    '# Generated from src/platform/setting-definitions.ts by `npm run generate`.',
  ];
  const all: Definition<unknown>[] = Object.values(definitions);
  for (const { env, doc, fallback, example } of all) {
    lines.push('', `# ${doc}`, `# ${env}=${fallback ?? example ?? ''}`);
  }
  return `${lines.join('\n')}\n`;
}
