import { applyDecorators, Body, Controller, Param, Post } from '@nestjs/common';
import { ApiConflictResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Tx } from '../database/transactions.js';
import { OpenToApplications } from '../platform/access/access.guard.js';
import { Answer } from '../platform/http/answer.js';
import { Commands } from '../platform/http/commands.js';
import { IdOf } from '../platform/http/input.pipe.js';
import { Context, RequestContext } from '../platform/http/request-context.js';
import { PracticesService } from '../practices/practices.service.js';
import { AppointmentActionsService } from './appointment-actions.service.js';
import { AppointmentResource, Cancelling, Confirming, Rescheduling } from './appointment.dto.js';
import { appointmentResource, type Appointment } from './appointment.entity.js';
import type { Action } from './appointment.rules.js';
import { AppointmentsService } from './appointments.service.js';

const PracticeId = () => Param('practiceId', new IdOf('practice'));
const AppointmentId = () => Param('appointmentId', new IdOf('appointment'));

function ActionRoute(action: Action, summary: string): MethodDecorator {
  return applyDecorators(
    Post(action),
    ApiOperation({ summary }),
    ApiOkResponse({ type: AppointmentResource }),
    ApiConflictResponse({
      description: 'Not legal now; `legalActions` of the problem lists what is.',
    }),
  );
}

/** What happens to an appointment; `If-Match` is optional. */
@ApiTags('appointments')
@Controller('v1/practices/:practiceId/appointments/:appointmentId')
@OpenToApplications()
export class AppointmentActionsController {
  constructor(
    private readonly appointments: AppointmentsService,
    private readonly actions: AppointmentActionsService,
    private readonly practices: PracticesService,
    private readonly commands: Commands,
  ) {}

  @ActionRoute(
    'reschedule',
    'Move it. Keeps the id, raises the sequence, starts confirmation again.',
  )
  reschedule(
    @Context() context: RequestContext,
    @PracticeId() practiceId: string,
    @AppointmentId() id: string,
    @Body() body: Rescheduling,
  ): Promise<Answer> {
    return this.run(context, practiceId, id, async (tx, appointment) => {
      const { timeZone } = await this.practices.get(practiceId, tx);
      return this.actions.reschedule(tx, context.cause, appointment, body, timeZone);
    });
  }

  @ActionRoute('confirm', 'The patient will come. Books what was only requested.')
  confirm(
    @Context() context: RequestContext,
    @PracticeId() practiceId: string,
    @AppointmentId() id: string,
    @Body() body: Confirming,
  ): Promise<Answer> {
    return this.run(context, practiceId, id, (tx, appointment) =>
      this.actions.confirm(tx, context.cause, appointment, body),
    );
  }

  @ActionRoute('cancel', 'It will not take place.')
  cancel(
    @Context() context: RequestContext,
    @PracticeId() practiceId: string,
    @AppointmentId() id: string,
    @Body() body: Cancelling,
  ): Promise<Answer> {
    return this.run(context, practiceId, id, (tx, appointment) =>
      this.actions.cancel(tx, context.cause, appointment, body),
    );
  }

  @ActionRoute('reopen', 'Undo the last step, which was a mis-click.')
  reopen(
    @Context() context: RequestContext,
    @PracticeId() practiceId: string,
    @AppointmentId() id: string,
  ): Promise<Answer> {
    return this.run(context, practiceId, id, async (tx, appointment) => {
      const { timeZone } = await this.practices.get(practiceId, tx);
      return this.actions.reopen(tx, context.cause, appointment, timeZone);
    });
  }

  @ActionRoute('unconfirm', 'A confirmation is taken back.')
  unconfirm(
    @Context() context: RequestContext,
    @PracticeId() practiceId: string,
    @AppointmentId() id: string,
  ): Promise<Answer> {
    return this.step(context, practiceId, id, 'unconfirm');
  }

  @ActionRoute('arrive', 'The patient has come.')
  arrive(
    @Context() context: RequestContext,
    @PracticeId() practiceId: string,
    @AppointmentId() id: string,
  ): Promise<Answer> {
    return this.step(context, practiceId, id, 'arrive');
  }

  @ActionRoute('check-in', 'The patient is checked in.')
  checkIn(
    @Context() context: RequestContext,
    @PracticeId() practiceId: string,
    @AppointmentId() id: string,
  ): Promise<Answer> {
    return this.step(context, practiceId, id, 'check-in');
  }

  @ActionRoute('seat', 'The patient is in the chair or the exam room.')
  seat(
    @Context() context: RequestContext,
    @PracticeId() practiceId: string,
    @AppointmentId() id: string,
  ): Promise<Answer> {
    return this.step(context, practiceId, id, 'seat');
  }

  @ActionRoute('complete', 'The visit is over.')
  complete(
    @Context() context: RequestContext,
    @PracticeId() practiceId: string,
    @AppointmentId() id: string,
  ): Promise<Answer> {
    return this.step(context, practiceId, id, 'complete');
  }

  @ActionRoute('no-show', 'The patient did not come.')
  noShow(
    @Context() context: RequestContext,
    @PracticeId() practiceId: string,
    @AppointmentId() id: string,
  ): Promise<Answer> {
    return this.step(context, practiceId, id, 'no-show');
  }

  private step(
    context: RequestContext,
    practiceId: string,
    id: string,
    action: Parameters<AppointmentActionsService['step']>[3],
  ): Promise<Answer> {
    return this.run(context, practiceId, id, (tx, appointment) =>
      this.actions.step(tx, context.cause, appointment, action),
    );
  }

  private run(
    context: RequestContext,
    practiceId: string,
    id: string,
    act: (tx: Tx, appointment: Appointment) => Promise<Appointment>,
  ): Promise<Answer> {
    return this.commands.run(context, [practiceId], async (tx) => {
      const appointment = await this.appointments.get(practiceId, id, tx);
      context.matchIfGiven(appointment);
      return Answer.ok(appointmentResource(await act(tx, appointment)));
    });
  }
}
