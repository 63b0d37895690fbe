import { Body, Controller, Delete, Get, Param, Patch, Post, Query } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { Signals } from '../database/signals.js';
import { OpenToApplications, OpenToPartners } from '../platform/access/access.guard.js';
import { Answer } from '../platform/http/answer.js';
import { Commands } from '../platform/http/commands.js';
import { IdOf } from '../platform/http/input.pipe.js';
import { DeletableListQuery, ListRoute, type Page } from '../platform/http/lists.js';
import { Context, RequestContext } from '../platform/http/request-context.js';
import { NewPatient, PatientChange, PatientPage, PatientResource } from './patient.dto.js';
import { patientResource } from './patient.entity.js';
import { PatientsService } from './patients.service.js';

@ApiTags('patients')
@Controller('v1/practices/:practiceId/patients')
@OpenToApplications()
export class PatientsController {
  constructor(
    private readonly patients: PatientsService,
    private readonly commands: Commands,
    private readonly signals: Signals,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Register a patient' })
  @ApiCreatedResponse({ type: PatientResource })
  create(
    @Context() context: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Body() body: NewPatient,
  ): Promise<Answer> {
    return this.commands.run(context, [practiceId], async (tx) => {
      const patient = await this.patients.create(tx, context.cause, practiceId, body);
      return Answer.created(
        `/v1/practices/${practiceId}/patients/${patient.id}`,
        patientResource(patient),
      );
    });
  }

  @Get()
  @ApiOperation({ summary: 'List patients' })
  @OpenToPartners()
  @ListRoute('In order of creation.', PatientPage)
  list(
    @Context() { caller }: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Query() query: DeletableListQuery,
  ): Promise<Page<object>> {
    return this.patients.list(caller, practiceId, query);
  }

  @Get(':patientId')
  @ApiOperation({ summary: 'Read a patient' })
  @OpenToPartners()
  @ApiOkResponse({ type: PatientResource })
  get(
    @Context() { caller }: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Param('patientId', new IdOf('patient')) id: string,
  ): Promise<object> {
    return this.patients.read(caller, practiceId, id);
  }

  @Patch(':patientId')
  @ApiOperation({ summary: 'Change a patient, or restrict who may hear of them' })
  @ApiOkResponse({ type: PatientResource })
  async change(
    @Context() context: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Param('patientId', new IdOf('patient')) id: string,
    @Body() body: PatientChange,
  ): Promise<Answer> {
    const answer = await this.commands.run(context, [practiceId], async (tx) => {
      const patient = await this.patients.get(practiceId, id, tx);
      context.requireMatch(patient);
      return Answer.ok(
        patientResource(await this.patients.change(tx, context.cause, patient, body)),
      );
    });
    // What waits for partners already is looked at anew.
    if (body.restricted || body.accountId) this.signals.emit('access');
    return answer;
  }

  @Delete(':patientId')
  @ApiOperation({ summary: 'Delete a patient' })
  @ApiNoContentResponse({ description: 'What is left is a tombstone with ids only.' })
  async delete(
    @Context() context: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Param('patientId', new IdOf('patient')) id: string,
  ): Promise<Answer> {
    const answer = await this.commands.run(context, [practiceId], async (tx) => {
      const patient = await this.patients.get(practiceId, id, tx);
      context.requireMatch(patient);
      await this.patients.delete(tx, context.cause, patient);
      return Answer.noContent();
    });
    // Somebody restricted may be alone on their account now.
    this.signals.emit('access');
    return answer;
  }
}
