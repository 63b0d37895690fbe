import { Module, type DynamicModule } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { AppointmentsModule } from './appointments/appointments.module.js';
import { AuditModule } from './audit/audit.module.js';
import { DisclosuresModule } from './disclosures/disclosures.module.js';
import { EventsModule } from './events/events.module.js';
import { HealthModule } from './health/health.module.js';
import { HousekeepingModule } from './housekeeping/housekeeping.module.js';
import { IdentitiesModule } from './identities/identities.module.js';
import { PartnersModule } from './partners/partners.module.js';
import { PatientsModule } from './patients/patients.module.js';
import { PaymentsModule } from './payments/payments.module.js';
import { PlatformModule, type Foundation } from './platform/platform.module.js';
import { PracticesModule } from './practices/practices.module.js';
import { SubscriptionsModule } from './subscriptions/subscriptions.module.js';

@Module({})
export class AppModule {
  static on(foundation: Foundation): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PlatformModule.on(foundation),
        ScheduleModule.forRoot(),
        AuditModule,
        DisclosuresModule,
        EventsModule,
        HealthModule,
        HousekeepingModule,
        IdentitiesModule,
        PracticesModule,
        PartnersModule,
        PatientsModule,
        AppointmentsModule,
        PaymentsModule,
        SubscriptionsModule,
      ],
    };
  }
}
