export const accountEvents = {};
