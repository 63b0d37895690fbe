import { describe, expect, it } from '@jest/globals';
import type { StoredEvent } from '../../events/catalog/envelope.js';
import type { EventHeader } from '../../events/log/event-log.js';
import { logStart } from '../../events/position.js';
import { Reach, type Grant } from '../reach/reach.js';
import { EndpointIndex, type Listener, type Lookups } from './endpoint-index.js';

function listener(id: string, eventTypes: string[], rest: Partial<Listener> = {}): Listener {
  const owner = 'applications/a';
  return {
    id,
    owner,
    reach: Reach.everything,
    sandbox: false,
    eventTypes,
    practiceIds: null,
    excludeOwn: false,
    filter: null,
    payloadMode: 'full',
    from: logStart,
    ...rest,
  };
}

function event(id: string, type: string, practiceId: string | null = 'elm'): EventHeader {
  const position = { generation: 1, xactId: id, seq: id };
  return {
    id,
    type,
    practiceId,
    patientId: null,
    accountId: null,
    subject: 's/1',
    actor: 'operator',
    position,
  };
}

/** As the log would have them: the source of an event of no practice is `/applications/a`, its practice no sandbox. */
const reads: string[][] = [];
async function read(ids: readonly string[]): Promise<StoredEvent[]> {
  reads.push([...ids]);
  return ids.map(
    (id) => ({ id, source: '/applications/a', data: { sandbox: false } }) as StoredEvent,
  );
}

/** About whom was asked, and of whom not to tell. */
const asked: string[][] = [];
const restricted = new Set<string>();
function lookups(readEvents: Lookups['read']): Lookups {
  return {
    read: readEvents,
    restricted: async (events) => {
      asked.push(events.map(({ id }) => id));
      return restricted;
    },
  };
}

async function routes(
  listeners: Listener[],
  events: EventHeader[],
): Promise<Record<string, string[]>> {
  const found = await new EndpointIndex(listeners).route(events, lookups(read));
  return Object.fromEntries([...found].map(([id, list]) => [id, list.map((each) => each.id)]));
}

describe('which endpoints want an event', () => {
  const events = [
    event('1', 'patient.created'),
    event('2', 'appointment.scheduled'),
    event('3', 'appointment.reminder_due', 'oak'),
    event('4', 'x.y.z', null),
  ];

  it('is decided by type, family or everything, in log order', async () => {
    const listeners = [
      listener('exact', ['patient.created', 'appointment.scheduled']),
      listener('family', ['appointment.*']),
      listener('deep', ['x.*']),
      listener('all', ['*']),
      listener('none', ['appointment', 'patient.create']),
    ];
    expect(await routes(listeners, events)).toEqual({
      exact: ['1', '2'],
      family: ['2', '3'],
      deep: ['4'],
      all: ['1', '2', '3', '4'],
    });
  });

  it('is narrowed to practices, where an endpoint names any', async () => {
    const listeners = [
      listener('elm', ['*'], { practiceIds: ['elm'] }),
      listener('both', ['*'], { practiceIds: ['oak', 'elm'] }),
      listener('nowhere', ['*'], { practiceIds: [] }),
    ];
    expect(await routes(listeners, events)).toEqual({ elm: ['1', '2'], both: ['1', '2', '3'] });
  });

  it('leaves out what was settled before the endpoint was made', async () => {
    const from = { generation: 1, xactId: '3', seq: '0' };
    expect(await routes([listener('new', ['*'], { from })], events)).toEqual({ new: ['3', '4'] });
  });

  it('leaves out what their owner caused, where an endpoint says so', async () => {
    const own = { ...event('5', 'patient.created'), actor: 'applications/a' };
    const listeners = [listener('all', ['*']), listener('others', ['*'], { excludeOwn: true })];
    expect(await routes(listeners, [events[0]!, own])).toEqual({ all: ['1', '5'], others: ['1'] });
  });

  it('reads no event whose header says enough', async () => {
    reads.length = 0;
    await routes([listener('all', ['*'])], events);
    expect(reads).toEqual([]);
  });
});

describe('a filter', () => {
  const payments = [1, 2, 3].map((n) => event(String(n), 'payment.posted'));
  const data = [
    { amount: 100, payer: { type: 'patient' } },
    { amount: 200, payer: { type: 'other', name: 'Ada' } },
    { amount: 300, payer: { type: 'patient' } },
  ];
  const readData = async (ids: readonly string[]) => {
    reads.push([...ids]);
    return ids.map((id) => ({ id, type: 'payment.posted', data: data[Number(id) - 1] }) as never);
  };

  it('decides by the data, read once for all who ask', async () => {
    reads.length = 0;
    const index = new EndpointIndex([
      listener('all', ['*']),
      listener('large', ['*'], { filter: { amount: { $gte: 200 } } }),
      listener('small', ['*'], { filter: { amount: 100 }, payloadMode: 'minimum' }),
      listener('none', ['*'], { filter: { amount: 1 } }),
      listener('uninterested', ['patient.*'], { filter: { amount: 100 } }),
    ]);
    const found = await index.route(payments, lookups(readData));
    expect(Object.fromEntries([...found].map(([id, list]) => [id, list.map((e) => e.id)]))).toEqual(
      {
        all: ['1', '2', '3'],
        large: ['2', '3'],
        small: ['1'],
      },
    );
    expect(reads).toEqual([['1', '2', '3']]);
  });

  it('sees only what the payload mode shows', async () => {
    const filter = { 'payer.name': 'Ada' };
    const index = new EndpointIndex([
      listener('full', ['*'], { filter }),
      listener('minimum', ['*'], { filter, payloadMode: 'minimum' }),
    ]);
    expect([...(await index.route(payments, lookups(readData))).keys()]).toEqual(['full']);
  });

  it('lets nothing pass that the log has dropped', async () => {
    const index = new EndpointIndex([listener('a', ['*'], { filter: { x: { $ne: 1 } } })]);
    expect(
      await index.route(
        payments,
        lookups(async () => []),
      ),
    ).toEqual(new Map());
  });
});

describe('an event of one owner', () => {
  const failing = { ...event('7', 'endpoint.failing', null), subject: 'endpoints/failed' };

  it("goes to its owner's other endpoints that want it, whatever practices they name", async () => {
    const listeners = [
      listener('family', ['endpoint.*']),
      listener('all', ['*'], { practiceIds: ['elm'] }),
      listener('failed', ['*']),
      listener('uninterested', ['patient.*', 'endpoint.disabled']),
      listener('of another', ['*'], { owner: 'applications/b' }),
    ];
    expect(await routes(listeners, [failing])).toEqual({ family: ['7'], all: ['7'] });
  });

  it('is a matter of the mode in which an endpoint was made, where the event tells one', async () => {
    const granted = { ...event('8', 'grant.created', null), subject: 'grants/g' };
    const listeners = [
      listener('live', ['grant.*']),
      listener('test', ['*'], { sandbox: true }),
      listener('of another', ['*'], { owner: 'partners/b' }),
    ];
    expect(await routes(listeners, [granted])).toEqual({ live: ['8'] });
  });

  it('is nobody’s once the log has dropped it', async () => {
    const index = new EndpointIndex([listener('all', ['*'])]);
    expect(
      await index.route(
        [failing],
        lookups(async () => []),
      ),
    ).toEqual(new Map());
  });
});

describe("a partner's endpoint", () => {
  const grant = (types: string[], mode: Grant['mode']): Grant => ({
    id: types.join(),
    types,
    mode,
    purpose: null,
    agreement: null,
  });
  const partner = {
    owner: 'partners/p',
    reach: Reach.from({
      elm: [grant(['payment.*'], 'full')],
      oak: [grant(['patient.created'], 'full'), grant(['payment.posted'], 'minimum')],
    }),
  };
  const events = [
    event('1', 'payment.posted', 'elm'),
    event('2', 'payment.posted', 'oak'),
    event('3', 'patient.created', 'elm'),
    event('4', 'patient.created', 'oak'),
    event('5', 'payment.posted', 'ash'),
  ];
  const data = { payer: { type: 'other', name: 'Ada' } };
  const whole: Lookups['read'] = async (ids) =>
    ids.map((id) => ({ id, type: 'payment.posted', data }) as never);
  const routed = async (listeners: Listener[]) => {
    const found = await new EndpointIndex(listeners).route(events, lookups(whole));
    return Object.fromEntries([...found].map(([id, list]) => [id, list.map((each) => each.id)]));
  };

  it('hears of what a practice has granted, and of no more than it asks for', async () => {
    const listeners = [
      listener('all', ['*'], partner),
      listener('payments', ['payment.*'], partner),
      listener('oak', ['*'], { ...partner, practiceIds: ['oak', 'ash'] }),
    ];
    expect(await routed(listeners)).toEqual({
      all: ['1', '2', '4'],
      payments: ['1', '2'],
      oak: ['2', '4'],
    });
  });

  it('is filtered by what is granted of an event, which differs from practice to practice', async () => {
    const filter = { 'payer.name': 'Ada' };
    const listeners = [
      listener('granted', ['payment.*'], { ...partner, filter }),
      listener('narrowed', ['payment.*'], { ...partner, filter, payloadMode: 'minimum' }),
      // What is hidden is as what is not there: whoever asks for that learns nothing.
      listener('absent', ['payment.*'], { ...partner, filter: { 'payer.name': null } }),
    ];
    expect(await routed(listeners)).toEqual({ granted: ['1'], absent: ['2'] });
  });

  it('hears nothing of whom partners must not hear of, which is asked once for all', async () => {
    asked.length = 0;
    restricted.add('1');
    const listeners = [
      listener('one', ['payment.*'], partner),
      listener('another', ['*'], partner),
      listener('of an application', ['*'], { reach: Reach.from(['elm']) }),
    ];
    const found = await routed(listeners);
    restricted.clear();
    expect(found).toEqual({ one: ['2'], another: ['2', '4'], 'of an application': ['1', '3'] });
    expect(asked.map((ids) => ids.toSorted())).toEqual([['1', '2', '4']]);
  });

  it('asks about nobody where no partner would hear', async () => {
    asked.length = 0;
    await routed([listener('all', ['*']), listener('none', ['endpoint.*'], partner)]);
    expect(asked).toEqual([]);
  });
});
