import type { DataOf, Fields } from './fields.js';

/** One type of event: what it says, since which version, and how it looks. */
export interface EventDefinition<F extends Fields = Fields> {
  version: number;
  description: string;
  /** The collection of the subject: `appointments` makes `appointments/{id}`. */
  subject: 'appointments' | 'patients' | 'accounts' | 'endpoints' | 'grants';
  fields: F;
  /**
   * Where to fetch the rest, below the practice's address, or below `/v1` where an event is of no practice; shown in
   * `thin` payloads. Uses fields marked `id` only.
   */
  links(data: DataOf<F>): Record<string, string>;
  example: DataOf<F>;
}

/** Types a definition by its fields, so that a wrong example or link does not compile. */
export function event<F extends Fields>(definition: EventDefinition<F>): EventDefinition<F> {
  return definition;
}
