export type EmbeddedPostgresErrorCode =
  | 'platform_unsupported'
  | 'binaries_missing'
  | 'binaries_unusable'
  | 'no_server_account'
  | 'cannot_switch_user'
  | 'data_unreachable'
  | 'data_not_accessible'
  | 'data_missing'
  | 'data_in_use'
  | 'data_version'
  | 'orphan_survives'
  | 'init_failed'
  | 'start_failed';

/** Why the embedded PostgreSQL cannot serve. The message says what to do; `code` is stable. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';

  constructor(
    readonly code: EmbeddedPostgresErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The way out that every refusal can offer. */
export const USE_ANOTHER_SERVER =
  'set DATABASE_URL to a PostgreSQL server of your own (14 or later)';
