import {
  brokers,
  flag,
  integer,
  masterKeys,
  networks,
  oneOf,
  operatorKey,
  origins,
  text,
  url,
  type Reader,
} from './setting-readers.js';

export interface Definition<T> {
  env: string;
  /** What it does and what happens without it, as `.env.example` shows it. */
  doc: string;
  read: Reader<T>;
  /** The default as it would be written in the environment; absent where there is none. */
  fallback?: string;
  /** What `.env.example` shows where there is no default. */
  example?: string;
}

const optional = <T>(definition: Definition<T>): Definition<T | undefined> => definition;
const withDefault = <T>(definition: Definition<T> & { fallback: string }): Definition<T> =>
  definition;

/** Every setting of the hub: the one place for its name, default, meaning and check. */
export const definitions = {
  port: withDefault({
    env: 'PORT',
    doc: 'The port of the REST API; 0 takes any free one.',
    read: integer(0, 65535),
    fallback: '3000',
  }),
  host: optional({
    env: 'HOST',
    doc: 'The address to listen on. Default: 127.0.0.1 with the embedded database, else 0.0.0.0.',
    read: text,
    example: '127.0.0.1',
  }),
  databaseUrl: optional({
    env: 'DATABASE_URL',
    doc: 'An existing PostgreSQL, 14 or later. Default: an embedded one that the hub starts and stops.',
    read: url('postgres', 'postgresql'),
    example: 'postgres://hub:secret@127.0.0.1:5432/hub',
  }),
  databaseConnections: withDefault({
    env: 'HUB_DATABASE_CONNECTIONS',
    doc: 'The most connections one hub opens to PostgreSQL: two thirds answer the API, a third runs the event engine, two listen for and send wake-ups.',
    read: integer(8, 500),
    fallback: '20',
  }),
  dataDir: withDefault({
    env: 'HUB_DATA_DIR',
    doc: 'Where the embedded database keeps its data, and hubs the key and the signed heads of their audit trail. The commands of a hub need the same folder.',
    read: text,
    fallback: '.hub',
  }),
  masterKey: optional({
    env: 'HUB_MASTER_KEY',
    doc: 'What everything that the hub keeps encrypted depends on: 32 random bytes in base64. Several with commas between: the first one wraps, each unwraps. Needed with DATABASE_URL, unless the next one is set; with the embedded database one is made in HUB_DATA_DIR/master.key.',
    read: masterKeys,
    example: '<what `openssl rand -base64 32` prints>',
  }),
  masterKeyFile: optional({
    env: 'HUB_MASTER_KEY_FILE',
    doc: 'A file with the same, one key a line; it is read again when it changes.',
    read: text,
    example: '/run/secrets/hub-master-key',
  }),
  kafkaBrokers: optional({
    env: 'KAFKA_BROKERS',
    doc: 'Carry events over Apache Kafka: a comma-separated list of host:port. Default: the embedded log in PostgreSQL.',
    read: brokers,
    example: '127.0.0.1:9092',
  }),
  kafkaTopic: withDefault({
    env: 'HUB_KAFKA_TOPIC',
    doc: 'The topic, created on start where it is missing.',
    read: text,
    fallback: 'practice.events.v1',
  }),
  kafkaPartitions: withDefault({
    env: 'HUB_KAFKA_PARTITIONS',
    doc: 'How many partitions the topic is created with. The stored count stays in force afterwards.',
    read: integer(1, 1000),
    fallback: '12',
  }),
  kafkaReplication: withDefault({
    env: 'HUB_KAFKA_REPLICATION',
    doc: 'How many brokers hold each partition; 3 on a real cluster.',
    read: integer(1, 9),
    fallback: '1',
  }),
  kafkaPayload: withDefault({
    env: 'HUB_KAFKA_PAYLOAD',
    doc: 'How much of an event the topic carries: thin (identifiers), minimum (no field that identifies a person) or full.',
    read: oneOf('thin', 'minimum', 'full'),
    fallback: 'minimum',
  }),
  kafkaTls: withDefault({
    env: 'HUB_KAFKA_TLS',
    doc: 'Talk TLS to the brokers.',
    read: flag,
    fallback: 'false',
  }),
  kafkaTlsCaFile: optional({
    env: 'HUB_KAFKA_TLS_CA_FILE',
    doc: "A PEM file with the certificate authority of the brokers. Default: the system's authorities.",
    read: text,
    example: '/etc/kafka/ca.pem',
  }),
  kafkaSaslMechanism: optional({
    env: 'HUB_KAFKA_SASL_MECHANISM',
    doc: 'How to log in to the brokers; needs the user name and the password below.',
    read: oneOf('plain', 'scram-sha-256', 'scram-sha-512'),
    example: 'scram-sha-512',
  }),
  kafkaSaslUsername: optional({
    env: 'HUB_KAFKA_SASL_USERNAME',
    doc: 'The user name at the brokers.',
    read: text,
    example: 'hub',
  }),
  kafkaSaslPassword: optional({
    env: 'HUB_KAFKA_SASL_PASSWORD',
    doc: 'The password at the brokers.',
    read: text,
    example: 'secret',
  }),
  publicUrl: optional({
    env: 'HUB_PUBLIC_URL',
    doc: 'The address partners reach the hub at; makes links, dataschema and Location absolute. Default: from host and port.',
    read: url('https', 'http'),
    example: 'https://hub.example.com',
  }),
  operatorKey: optional({
    env: 'HUB_OPERATOR_KEY',
    doc: 'The key every /v1 route needs. Default: made at the first start and printed once.',
    read: operatorKey,
    example: 'hub_live_change-me-to-something-long-and-random',
  }),
  apiRateLimit: withDefault({
    env: 'HUB_API_RATE_LIMIT',
    doc: 'Requests that each key may make in a second at each hub; 0 switches the limit off.',
    read: integer(0, 1_000_000),
    fallback: '1000',
  }),
  trustedProxies: optional({
    env: 'HUB_TRUSTED_PROXIES',
    doc: 'Networks of the proxies before the hub, whose X-Forwarded-For is believed: without them all who come through one share its limits. Default: none.',
    read: networks,
    example: '10.0.0.0/24',
  }),
  corsOrigins: optional({
    env: 'HUB_CORS_ORIGINS',
    doc: 'Web pages that may call the API from a browser: a comma-separated list of origins. Default: none.',
    read: origins,
    example: 'https://portal.example.com',
  }),
  logLevel: withDefault({
    env: 'HUB_LOG_LEVEL',
    doc: 'How much the hub logs, as JSON lines on standard output.',
    read: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    fallback: 'info',
  }),
  allowNetworks: optional({
    env: 'HUB_ALLOW_NETWORKS',
    doc: 'Networks webhooks may reach besides public addresses. Default: loopback with the embedded database, else none.',
    read: networks,
    example: '10.1.0.0/16,fd00::/8',
  }),
  webhookTimeoutSeconds: withDefault({
    env: 'HUB_WEBHOOK_TIMEOUT_SECONDS',
    doc: 'How long one webhook may take from connecting to the end of the answer.',
    read: integer(1, 30),
    fallback: '15',
  }),
  keepResponses: withDefault({
    env: 'HUB_KEEP_RESPONSES',
    doc: 'Keep the first KB of what a receiver answers to a failed attempt, for seven days, so that its owner can mend it. It may echo what was sent.',
    read: flag,
    fallback: 'true',
  }),
  circuitPauseSeconds: withDefault({
    env: 'HUB_CIRCUIT_PAUSE_SECONDS',
    doc: 'The longest pause between two tries of an endpoint that answers nothing but failures; pauses double up to it, from two seconds.',
    read: integer(1, 3600),
    fallback: '300',
  }),
  failureDays: withDefault({
    env: 'HUB_ENDPOINT_FAILURE_DAYS',
    doc: 'After how many days of nothing but failures an endpoint is disabled.',
    read: integer(1, 365),
    fallback: '5',
  }),
  eventRetentionDays: withDefault({
    env: 'HUB_EVENT_RETENTION_DAYS',
    doc: 'How long events and deliveries are kept. What an open delivery still needs stays longer.',
    read: integer(1, 3650),
    fallback: '30',
  }),
  auditKeyFile: optional({
    env: 'HUB_AUDIT_KEY_FILE',
    doc: 'A PEM file with the ed25519 key that signs the heads of the audit trail. Commands sign with it too. Default: audit.key in HUB_DATA_DIR, made at the first start of a hub.',
    read: text,
    example: '/run/secrets/audit.key',
  }),
  auditHeadsDir: optional({
    env: 'HUB_AUDIT_HEADS_DIR',
    doc: 'Where signed heads of the audit trail are written, a file a day. Ship them to where nobody who runs the hub can change them. Default: audit-heads in HUB_DATA_DIR.',
    read: text,
    example: '/var/log/hub-audit-heads',
  }),
  auditRetentionYears: withDefault({
    env: 'HUB_AUDIT_RETENTION_YEARS',
    doc: 'How long the audit trail is kept (45 CFR 164.316 asks for six years).',
    read: integer(1, 100),
    fallback: '6',
  }),
  disclosureRetentionYears: withDefault({
    env: 'HUB_DISCLOSURE_RETENTION_YEARS',
    doc: 'How long it is kept what was disclosed of patients to whom. At least the six years that a patient may ask about (45 CFR 164.528(a)(1)).',
    read: integer(6, 100),
    fallback: '6',
  }),
  grantExpiryNoticeDays: withDefault({
    env: 'HUB_GRANT_EXPIRY_NOTICE_DAYS',
    doc: "How many days before a grant's end grant.expiring tells its partner.",
    read: integer(1, 365),
    fallback: '30',
  }),
  leaseSeconds: withDefault({
    env: 'HUB_LEASE_SECONDS',
    doc: 'After how long without a sign of life another hub takes over the work of one that died.',
    read: integer(1, 300),
    fallback: '10',
  }),
} satisfies Record<string, Definition<unknown>>;

type Definitions = typeof definitions;

/** What was read of them. */
export type SettingValues = { [Name in keyof Definitions]: ReturnType<Definitions[Name]['read']> };
