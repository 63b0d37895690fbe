/** What happens to a reminder whose moment has passed before the appointment was made or moved. */
export const onLateChoices = ['nearest', 'fire_now', 'skip'] as const;
export type OnLate = (typeof onLateChoices)[number];

/**
 * When before an appointment a practice wants to be reminded: `leadMinutes` of elapsed time, or `leadDays` on the
 * practice's wall clock, at the appointment's own local time or at `at`.
 */
export interface ReminderRule {
  id: string;
  name?: string;
  leadMinutes?: number;
  leadDays?: number;
  /** `HH:MM` of the practice's wall clock. */
  at?: string;
  onLate: OnLate;
}

/**
 * What makes a rule the same rule after an edit: its lead. A reminder that fired is not fired again because
 * somebody renamed the rule.
 */
export function leadOf({ leadMinutes, leadDays, at }: Omit<ReminderRule, 'id' | 'onLate'>): string {
  return leadMinutes !== undefined ? `${leadMinutes}m` : `${leadDays}d${at ? `@${at}` : ''}`;
}
