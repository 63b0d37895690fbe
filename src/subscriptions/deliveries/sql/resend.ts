/** Held until the transaction ends, so that no result is recorded between the check and the change. */
export const lockDeliverySql = `
  select status, attempts from deliveries where id = $1 for no key update`;

/** Another attempt is due now; those made so far stay counted and recorded. */
export const resendSql = `
  update deliveries set status = 'failed', next_attempt_at = clock_timestamp() where id = $1`;
