export const appointmentEvents = {};
