import { ApiProperty, OmitType, PartialType, PickType } from '@nestjs/swagger';
import {
  Currency,
  Flag,
  Int,
  NestedList,
  OneOf,
  Text,
  TimeOfDay,
  Uuid,
  Zone,
} from '../platform/http/fields.js';
import { PageType } from '../platform/http/lists.js';
import { ExternalId, mostExternalIds } from '../platform/external-ids.js';
import { practiceKinds, type PracticeKind } from './practice.entity.js';
import { onLateChoices, type OnLate } from './reminder-rule.js';

export class NewReminderRule {
  @Text({ most: 100, optional: true })
  name?: string;

  @Int({ least: 1, most: 525_600, optional: true, description: 'Elapsed time before the start.' })
  leadMinutes?: number;

  @Int({
    least: 1,
    most: 365,
    optional: true,
    description: "Days before, on the practice's wall clock. Either this or leadMinutes.",
  })
  leadDays?: number;

  @TimeOfDay({
    optional: true,
    description: "With leadDays: the time of day. Default: the appointment's own local time.",
  })
  at?: string;

  @OneOf(onLateChoices, {
    optional: true,
    description:
      'What to do where the moment has passed already as the appointment is made or moved, or the rules change. nearest (default): remind at once if no other rule is still ahead, and of those that have passed only by the latest. fire_now: remind at once in any case. skip: do not remind. Once the appointment has begun no rule reminds.',
  })
  onLate?: OnLate;
}

export class NewPractice {
  @Text({ example: 'Elm Street Dental' })
  name: string;

  @OneOf(practiceKinds)
  kind: PracticeKind;

  @Zone()
  timeZone: string;

  @Currency()
  currency: string;

  @Flag({ optional: true, description: 'For trying things out; reached by test keys only.' })
  sandbox?: boolean;

  @Flag({
    optional: true,
    description:
      'Whether every grant needs agreementReference, purpose and expiresAt: always at dental and medical practices, at veterinary ones if they say so.',
  })
  requiresAgreements?: boolean;

  @NestedList(() => ExternalId, { most: mostExternalIds, optional: true })
  externalIds?: ExternalId[];

  @NestedList(() => NewReminderRule, {
    most: 20,
    optional: true,
    description: 'Default: 30 minutes and 1 day before.',
  })
  reminderRules?: NewReminderRule[];
}

/** A rule as it was read, so that the list can be sent back as it came. */
export class ChangedReminderRule extends NewReminderRule {
  @Uuid({ optional: true, description: 'Ignored: a rule is known by its lead and keeps its id.' })
  id?: string;
}

/** Currency, kind and sandbox stay: the ledger's amounts and everybody's access hang on them. */
export class PracticeChange extends PartialType(
  PickType(NewPractice, ['name', 'timeZone', 'externalIds', 'requiresAgreements']),
  { skipNullProperties: false },
) {
  @NestedList(() => ChangedReminderRule, { most: 20, optional: true })
  reminderRules?: ChangedReminderRule[];
}

export class ReminderRuleResource extends NewReminderRule {
  @ApiProperty({ format: 'uuid' })
  id: string;
}

export class PracticeResource extends OmitType(NewPractice, [
  'reminderRules',
  'requiresAgreements',
]) {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ description: 'Whether every grant needs an agreement.' })
  requiresAgreements: boolean;

  @ApiProperty({ type: [ReminderRuleResource] })
  reminderRules: ReminderRuleResource[];

  @ApiProperty()
  version: number;

  @ApiProperty({ format: 'date-time' })
  createdAt: string;

  @ApiProperty({ format: 'date-time' })
  updatedAt: string;
}

export class PracticePage extends PageType(PracticeResource) {}
