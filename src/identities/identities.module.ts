import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ApiKeyCommands } from './api-key-commands.js';
import { ApiKey } from './api-key.entity.js';
import { ApiKeysController } from './api-keys.controller.js';
import { ApiKeys } from './api-keys.service.js';
import { Application } from './application.entity.js';
import { ApplicationsController } from './applications.controller.js';
import { ApplicationsService } from './applications.service.js';
import { MeController } from './me.controller.js';
import { TokensController } from './tokens.controller.js';
import { Tokens } from './tokens.service.js';

/** Who may call the hub besides its operator. */
@Module({
  imports: [TypeOrmModule.forFeature([Application, ApiKey])],
  controllers: [ApplicationsController, ApiKeysController, MeController, TokensController],
  providers: [ApplicationsService, ApiKeys, ApiKeyCommands, Tokens],
  exports: [ApiKeys, ApiKeyCommands],
})
export class IdentitiesModule {}
