/** Builds the hub where the build is missing or older than the sources; exits the process when that fails. */
export function buildIfNeeded(): void;
