/**
 * SQLSTATE classes that say nothing about the statement: connection lost (08), rolled back for another's sake (40),
 * out of resources (53), operator intervention such as a restart (57).
 */
const transientClasses = ['08', '40', '53', '57'];
const transientCodes = [
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
];
const lostConnection =
  /connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|not queryable/i;
/** TypeORM's, for the next statement of a transaction whose connection broke between two: it has let go of it. */
const lostTransaction = /^QueryRunner(Provider)?AlreadyReleasedError$/;

/** True where the same statement may succeed later: the database is restarting, overloaded or gone for a moment. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code = '' } = error as { code?: string };
  return (
    transientCodes.includes(code) ||
    (/^[0-9A-Z]{5}$/.test(code) && transientClasses.includes(code.slice(0, 2))) ||
    lostConnection.test(error.message) ||
    lostTransaction.test(error.name)
  );
}

/** SQLSTATE 23505; `constraint` narrows it to one. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  const { code, constraint: violated } = (error ?? {}) as { code?: string; constraint?: string };
  return code === '23505' && (constraint === undefined || violated === constraint);
}
