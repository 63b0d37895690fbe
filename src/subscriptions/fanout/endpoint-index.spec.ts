import { describe, expect, it } from '@jest/globals';
import type { EventHeader } from '../../events/log/event-log.js';
import { logStart } from '../../events/position.js';
import { EndpointIndex, type Listener } from './endpoint-index.js';

function listener(id: string, eventTypes: string[], rest: Partial<Listener> = {}): Listener {
  return { id, eventTypes, practiceIds: null, from: logStart, ...rest };
}

function event(id: string, type: string, practiceId: string | null = 'elm'): EventHeader {
  const position = { generation: 1, xactId: id, seq: id };
  return { id, type, practiceId, subject: 's/1', actor: 'operator', position };
}

function routes(listeners: Listener[], events: EventHeader[]): Record<string, string[]> {
  const found = new EndpointIndex(listeners).route(events);
  return Object.fromEntries([...found].map(([id, list]) => [id, list.map((each) => each.id)]));
}

describe('which endpoints want an event', () => {
  const events = [
    event('1', 'patient.created'),
    event('2', 'appointment.scheduled'),
    event('3', 'appointment.reminder_due', 'oak'),
    event('4', 'x.y.z', null),
  ];

  it('is decided by type, family or everything, in log order', () => {
    const listeners = [
      listener('exact', ['patient.created', 'appointment.scheduled']),
      listener('family', ['appointment.*']),
      listener('deep', ['x.*']),
      listener('all', ['*']),
      listener('none', ['appointment', 'patient.create']),
    ];
    expect(routes(listeners, events)).toEqual({
      exact: ['1', '2'],
      family: ['2', '3'],
      deep: ['4'],
      all: ['1', '2', '3', '4'],
    });
  });

  it('is narrowed to practices, where an endpoint names any', () => {
    const listeners = [
      listener('elm', ['*'], { practiceIds: ['elm'] }),
      listener('both', ['*'], { practiceIds: ['oak', 'elm'] }),
      listener('nowhere', ['*'], { practiceIds: [] }),
    ];
    expect(routes(listeners, events)).toEqual({ elm: ['1', '2'], both: ['1', '2', '3'] });
  });

  it('leaves out what was settled before the endpoint was made', () => {
    const from = { generation: 1, xactId: '3', seq: '0' };
    expect(routes([listener('new', ['*'], { from })], events)).toEqual({ new: ['3', '4'] });
  });
});
