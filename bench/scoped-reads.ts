// `npx tsx bench/scoped-reads.ts`: what the separation of practices in the database costs a read
// (docs/adr/0010-row-level-security.md). A patient is read by id, as the API reads it and as the owner of the tables
// does, whom no policy holds and who tells no scope; the two take turns, so that what the machine does meanwhile meets
// both. Ratios of time and of this process's processor time, medians of the rounds.
//   --rounds=30   how many
//   --reads=500   in each, one after another
import { parseArgs } from 'node:util';
import pg from 'pg';
import { DataSource, type EntityManager } from 'typeorm';
import { dataSourceOptions, sessionOptions } from '../src/database/data-source.js';
import { ScopedReads } from '../src/database/scoped-reads.js';
import { Patient } from '../src/patients/patient.entity.js';
import type { BenchHub } from './bench-hub.js';
import { spreadOf } from './figures.js';
import { Stage } from './stage.js';

const connections = 12;
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '30' },
    reads: { type: 'string', default: '500' },
  },
});
const [rounds, reads] = [Number(values.rounds), Number(values.reads)];

interface Place {
  practiceId: string;
  id: string;
}
type ManagerOf = (practiceId: string) => EntityManager;

async function patientsOf(hub: BenchHub): Promise<Place[]> {
  const patient = { kind: 'human', givenName: 'Ada', familyName: 'Byrne' };
  return Promise.all(
    hub.practiceIds.map(async (practiceId) => {
      const { id } = await hub.post(`/v1/practices/${practiceId}/patients`, patient);
      return { practiceId, id };
    }),
  );
}

async function costOf(managerOf: ManagerOf, places: readonly Place[]) {
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  for (let n = 0; n < reads; n += 1) {
    const place = places[n % places.length]!;
    const found = await managerOf(place.practiceId).findOneBy(Patient, { ...place });
    if (!found) throw new Error('a patient was not found');
  }
  const { user, system } = process.cpuUsage(cpu);
  return { time: performance.now() - began, cpu: user + system };
}

async function compare(what: string, scoped: ManagerOf, plain: ManagerOf, places: Place[]) {
  const ratios: { time: number; cpu: number }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const [one, other] = round % 2 === 0 ? [scoped, plain] : [plain, scoped];
    const [first, second] = [await costOf(one, places), await costOf(other, places)];
    const [held, free] = round % 2 === 0 ? [first, second] : [second, first];
    ratios.push({ time: held.time / free.time, cpu: held.cpu / free.cpu });
  }
  const median = (name: 'time' | 'cpu') =>
    spreadOf(ratios.map((ratio) => ratio[name])).median.toFixed(2);
  console.log(`${what}: time ${median('time')}, processor time ${median('cpu')}`);
}

const stage = new Stage();
try {
  await stage.open();
  const hub = await stage.startHub();
  const places = await patientsOf(hub);
  await hub.pause();
  const options = dataSourceOptions(hub.databaseUrl, connections);
  const entities = [Patient];
  const api = await new DataSource({ ...options, entities } as never).initialize();
  stage.onClose(() => api.destroy());
  const asOwner = { driver: pg, extra: sessionOptions, entities };
  const owner = await new DataSource({ ...options, ...asOwner } as never).initialize();
  stage.onClose(() => owner.destroy());
  const scopedReads = new ScopedReads(api);
  const scoped: ManagerOf = (practiceId) => scopedReads.ofPractice(practiceId);
  const plain: ManagerOf = () => owner.manager;
  await costOf(scoped, places);
  await costOf(plain, places);
  await compare('20 practices in turn', scoped, plain, places);
  await compare('one practice', scoped, plain, places.slice(0, 1));
} finally {
  await stage.close();
}
