import { describe, expect, it } from '@jest/globals';
import { actionOf, toldBy } from './action.rules.js';

const [a, b] = ['019a0f5e-7c00-7000-8000-00000000000a', '019a0f5e-7c00-7000-8000-00000000000b'];

describe('the name of what a request does', () => {
  const params = { practiceId: a, patientId: b, endpointId: b, keyId: b, grantId: b };
  it.each([
    ['GET', 'practices/:practiceId/patients/:patientId', 'patient.read', `patients/${b}`],
    ['HEAD', 'practices/:practiceId/patients/:patientId', 'patient.read', `patients/${b}`],
    ['GET', 'practices/:practiceId/patients', 'patient.read', `practices/${a}`],
    [
      'GET',
      'practices/:practiceId/patients/:patientId/disclosures',
      'disclosure.read',
      `patients/${b}`,
    ],
    ['GET', 'events', 'event.read', null],
    ['GET', 'endpoints/:endpointId/deliveries', 'delivery.read', `endpoints/${b}`],
    ['PATCH', 'practices/:practiceId/patients/:patientId', 'patient.changed', `patients/${b}`],
    ['DELETE', 'practices/:practiceId/patients/:patientId', 'patient.deleted', `patients/${b}`],
    ['DELETE', 'applications/:applicationId/keys/:keyId', 'key.revoked', `keys/${b}`],
    ['DELETE', 'practices/:practiceId/grants/:grantId', 'grant.revoked', `grants/${b}`],
    ['POST', 'endpoints/:endpointId/secret/rotate', 'endpoint.secret_rotate', `endpoints/${b}`],
  ])('%s %s is %s', (method, route, name, subject) => {
    expect(actionOf(method, `/v1/${route}`, params)).toEqual({ name, subject });
  });

  it('is told by what was made, where something was', () => {
    const route = '/v1/practices/:practiceId/ledger-entries';
    expect(actionOf('POST', route, params, { id: b })).toEqual({
      name: 'ledger_entry.created',
      subject: `ledger-entries/${b}`,
    });
    expect(actionOf('POST', '/v1/tokens', {}, {})).toEqual({
      name: 'token.created',
      subject: null,
    });
    expect(
      actionOf('POST', '/v1/practices/:practiceId/appointments/:id/check-in', { id: b }),
    ).toEqual({
      name: 'appointment.check_in',
      subject: `appointments/${b}`,
    });
  });
});

describe('whom an answer tells of', () => {
  it('is found in resources, lists, events and feeds, each patient once', () => {
    expect(toldBy('patients', { id: a, version: 1 })).toEqual({ patientIds: [a] });
    expect(toldBy('appointments', { id: a, patientId: b })).toEqual({ patientIds: [b] });
    const page = { data: [{ patientId: b }, { patientId: b }, { patientId: a }], nextCursor: null };
    expect(toldBy('appointments', page)).toEqual({ patientIds: [b, a], count: 3 });
    const events = {
      data: [
        { id: '1', data: { patientId: a } },
        { id: '2', data: {} },
      ],
    };
    expect(toldBy('events', events)).toEqual({ patientIds: [a], count: 2 });
    const stream = {
      data: [{ sequence: 1, event: { data: { patientId: b } } }, { withheld: 'revoked' }],
    };
    expect(toldBy('events', stream)).toEqual({ patientIds: [b], count: 2 });
    expect(toldBy('events', JSON.stringify(stream))).toEqual({ patientIds: [b] });
  });

  it('is whose things they are by id, where no patient is named', () => {
    expect(toldBy('accounts', { data: [{ id: a, holder: {} }] })).toEqual({
      patientIds: [],
      count: 1,
      ids: [a],
    });
    expect(toldBy('accounts', undefined)).toEqual({ patientIds: [] });
  });
});
