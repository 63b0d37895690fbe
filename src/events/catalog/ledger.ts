export const ledgerEvents = {};
