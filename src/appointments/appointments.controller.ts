import { Body, Controller, Delete, Get, Param, Patch, Post, Query } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { OpenToApplications, OpenToPartners } from '../platform/access/access.guard.js';
import { Answer } from '../platform/http/answer.js';
import { Commands } from '../platform/http/commands.js';
import { IdOf } from '../platform/http/input.pipe.js';
import { ListRoute, type Page } from '../platform/http/lists.js';
import { Context, RequestContext } from '../platform/http/request-context.js';
import {
  AppointmentChange,
  AppointmentListQuery,
  AppointmentPage,
  AppointmentResource,
  NewAppointment,
} from './appointment.dto.js';
import { appointmentResource } from './appointment.entity.js';
import { AppointmentsService } from './appointments.service.js';

@ApiTags('appointments')
@Controller('v1/practices/:practiceId/appointments')
@OpenToApplications()
export class AppointmentsController {
  constructor(
    private readonly appointments: AppointmentsService,
    private readonly commands: Commands,
  ) {}

  @Post()
  @ApiOperation({ summary: 'Book an appointment' })
  @ApiCreatedResponse({ type: AppointmentResource })
  create(
    @Context() context: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Body() body: NewAppointment,
  ): Promise<Answer> {
    return this.commands.run(context, [practiceId], async (tx) => {
      const made = await this.appointments.create(tx, context.cause, practiceId, body);
      return Answer.created(
        `/v1/practices/${practiceId}/appointments/${made.id}`,
        appointmentResource(made),
      );
    });
  }

  @Get()
  @ApiOperation({ summary: 'List appointments' })
  @OpenToPartners()
  @ListRoute('In order of creation, whatever was moved since.', AppointmentPage)
  list(
    @Context() { caller }: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Query() query: AppointmentListQuery,
  ): Promise<Page<object>> {
    return this.appointments.list(caller, practiceId, query);
  }

  @Get(':appointmentId')
  @ApiOperation({ summary: 'Read an appointment' })
  @OpenToPartners()
  @ApiOkResponse({ type: AppointmentResource })
  get(
    @Context() { caller }: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Param('appointmentId', new IdOf('appointment')) id: string,
  ): Promise<object> {
    return this.appointments.read(caller, practiceId, id);
  }

  @Patch(':appointmentId')
  @ApiOperation({ summary: 'Change an appointment but for its time and status' })
  @ApiOkResponse({ type: AppointmentResource })
  change(
    @Context() context: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Param('appointmentId', new IdOf('appointment')) id: string,
    @Body() body: AppointmentChange,
  ): Promise<Answer> {
    return this.commands.run(context, [practiceId], async (tx) => {
      const appointment = await this.appointments.get(practiceId, id, tx);
      context.requireMatch(appointment);
      const changed = await this.appointments.change(tx, context.cause, appointment, body);
      return Answer.ok(appointmentResource(changed));
    });
  }

  @Delete(':appointmentId')
  @ApiOperation({ summary: 'Mark an appointment as entered in error' })
  @ApiNoContentResponse({ description: 'Entered in error; what is left is a tombstone.' })
  delete(
    @Context() context: RequestContext,
    @Param('practiceId', new IdOf('practice')) practiceId: string,
    @Param('appointmentId', new IdOf('appointment')) id: string,
  ): Promise<Answer> {
    return this.commands.run(context, [practiceId], async (tx) => {
      const appointment = await this.appointments.get(practiceId, id, tx);
      context.requireMatch(appointment);
      await this.appointments.delete(tx, context.cause, appointment);
      return Answer.noContent();
    });
  }
}
