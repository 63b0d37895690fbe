import net, { type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { effectsOf, openBusStage, type BusStage } from '../support/bus-stage.js';
import { eventually } from '../support/eventually.js';
import { recordsOf } from '../support/kafka-admin.js';
import { describeWithKafka, kafkaBrokers, uniqueTopic } from '../support/kafka.js';

/** The protocol's number for a produce request, in the fifth and sixth byte of every request. */
const produceApi = 0;

describeWithKafka("a relay that does not hear the broker's answer", () => {
  let stage: BusStage;
  let topic: string;
  let toLose = 0;
  let lost = 0;
  let closing = false;

  beforeEach(async () => {
    [toLose, lost, closing] = [0, 0, false];
    const connect = net.connect.bind(net) as (...args: unknown[]) => Socket;
    const spied = jest.spyOn(net, 'connect') as unknown as jest.Mock<typeof connect>;
    spied.mockImplementation((...args) => listenBadly(connect(...args)));
    topic = uniqueTopic('answers');
    stage = await openBusStage({
      KAFKA_BROKERS: kafkaBrokers(),
      HUB_KAFKA_TOPIC: topic,
      HUB_KAFKA_PARTITIONS: '1',
    });
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await stage.close();
  });

  /** The broker has taken the records by then, and says so in vain. */
  function listenBadly(socket: Socket): Socket {
    let isProducing = false;
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
    socket.write = ((bytes: Buffer, ...rest: unknown[]) => {
      if (bytes.readInt16BE?.(4) === produceApi) isProducing = true;
      return write(bytes, ...rest);
    }) as never;
    const emit = socket.emit.bind(socket) as (...args: unknown[]) => boolean;
    socket.emit = ((name: string, ...rest: unknown[]) => {
      if (name !== 'data' || !isProducing || toLose === 0) return emit(name, ...rest);
      isProducing = false;
      toLose -= 1;
      lost += 1;
      if (closing) socket.destroy();
      return true;
    }) as never;
    return socket;
  }

  it.each([
    ['lost on the way, once', 1, false],
    ['lost on the way, also at the second try', 2, false],
    ['lost with its connection', 1, true],
    ['lost with its connection, also at the second try', 2, true],
  ])('publishes on without losing or repeating anything when it is %s', async (_, times, close) => {
    const hub = stage.startHub();
    await hub.bus.subscribe('a', effectsOf(hub));
    const practice = uuidv7();
    await stage.emit(practice, 3);
    const ids = async (events: Promise<{ eventId: string }[]>) =>
      (await events).map(({ eventId }) => eventId);
    const expectAllOnce = () =>
      eventually(async () => {
        expect(await ids(stage.effects('a'))).toEqual(await ids(stage.logged()));
      });
    await expectAllOnce();

    closing = close;
    toLose = times;
    await stage.emit(practice, 4);
    await eventually(() => expect(lost).toBe(times));
    await expectAllOnce();
    // The trap: the batch after the lost answer fails for ever, or is acknowledged and dropped.
    for (let i = 0; i < 3; i += 1) await stage.emit(practice, 2);
    await expectAllOnce();
    expect(await hub.bus.health()).toMatchObject({ up: true });

    const published = (await recordsOf(kafkaBrokers(), topic)).map(({ headers }) =>
      String(headers!.ce_id),
    );
    expect([...new Set(published)]).toEqual(await ids(stage.logged()));
  });
});
