import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { IdentitiesModule } from '../identities/identities.module.js';
import { PracticesModule } from '../practices/practices.module.js';
import { GrantClock } from './grant-clock.js';
import { Grant } from './grant.entity.js';
import { GrantsController } from './grants.controller.js';
import { GrantsService } from './grants.service.js';
import { PartnerKeysController } from './partner-keys.controller.js';
import { Partner } from './partner.entity.js';
import { PartnersController } from './partners.controller.js';
import { PartnersService } from './partners.service.js';
import { PracticeGrantsController } from './practice-grants.controller.js';

/** Who hears of what practices grant. */
@Module({
  imports: [TypeOrmModule.forFeature([Partner, Grant]), IdentitiesModule, PracticesModule],
  controllers: [
    PartnersController,
    PartnerKeysController,
    PracticeGrantsController,
    GrantsController,
  ],
  providers: [PartnersService, GrantsService, GrantClock],
})
export class PartnersModule {}
