import { describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import ajvFormats from 'ajv-formats';
import { definitionOf, eventTypes, isEventType, isOwnersType } from './catalog.js';
import { toCloudEvent } from './envelope.js';
import { payloadModes, projectFields, schemaOf, type JsonSchema } from './fields.js';
import { matcherOf } from './type-patterns.js';

const ajv = new Ajv2020({ strict: false });
ajvFormats.default(ajv);

/** Fields that tell of a person wherever they appear, whoever marked them; but why an endpoint was disabled is none's. */
const personal = /^(givenName|familyName|birthDate|email|phone|note|reason|description)$/;

/** Names that tell of a person only here: a patient's number elsewhere is theirs, a payment's is not. */
const personalIn: Record<string, RegExp> = {
  patient: /externalIds/,
  account: /externalIds/,
  payment: /payer\/name/,
};

interface Leaf {
  path: string;
  value: unknown;
}

/** Every value of a document with the names that lead to it; the items of a list share theirs. */
function leavesOf(value: unknown, path = ''): Leaf[] {
  if (Array.isArray(value)) return value.flatMap((item) => leavesOf(item, `${path}[]`));
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([name, member]) => leavesOf(member, `${path}/${name}`));
  }
  return value === undefined ? [] : [{ path, value }];
}

/** The same for what a schema describes. */
function pathsOf(schema: JsonSchema, path = ''): string[] {
  if (schema.items) return pathsOf(schema.items as JsonSchema, `${path}[]`);
  if (!schema.properties) return [path];
  return Object.entries(schema.properties as Record<string, JsonSchema>).flatMap(([name, member]) =>
    pathsOf(member, `${path}/${name}`),
  );
}

describe('the catalogue', () => {
  it('has the four events that must always work', () => {
    expect(eventTypes).toEqual(
      expect.arrayContaining([
        'appointment.scheduled',
        'appointment.reminder_due',
        'patient.created',
        'payment.posted',
      ]),
    );
  });

  it('knows its own types and no others', () => {
    expect(eventTypes.every(isEventType)).toBe(true);
    expect(isEventType('patient.sneezed')).toBe(false);
    expect(isEventType('toString')).toBe(false);
  });
});

describe.each(eventTypes)('%s', (type) => {
  const { version, description, subject, fields, links, example } = definitionOf(type);

  it('is named family.fact, and found by its family', () => {
    expect(type).toMatch(/^[a-z]+\.[a-z]+(_[a-z]+)*$/);
    const family = type.split('.')[0]!;
    expect(matcherOf([`${family}.*`])(type)).toBe(true);
  });

  it('says what it is about', () => {
    expect(version).toBeGreaterThanOrEqual(1);
    expect(description).toMatch(/^[A-Z].{10,}\.$/);
    const collections = {
      appointments: 'appointmentId',
      patients: 'patientId',
      accounts: 'accountId',
      endpoints: 'endpointId',
      grants: 'grantId',
    };
    expect(Object.keys(schemaOf(fields, 'thin').properties as object)).toContain(
      collections[subject],
    );
  });

  it.each(payloadModes)('has an example that matches its schema in %s', (mode) => {
    const validate = ajv.compile(schemaOf(fields, mode));
    const shown = projectFields(fields, example, mode);
    validate(shown);
    expect(validate.errors).toBeNull();
    if (mode === 'full') expect(shown).toEqual(example);
  });

  it.each(['thin', 'minimum'] as const)('shows in %s no value that is kept for full', (mode) => {
    const described = new Set(pathsOf(schemaOf(fields, mode)));
    const hidden = leavesOf(example).filter(({ path }) => !described.has(path));
    const shown = leavesOf(projectFields(fields, example, mode));
    expect(shown.filter(({ path }) => !described.has(path))).toEqual([]);
    // By value too: what tells of a person must not come out under another name.
    const secrets = hidden
      .filter(({ path, value }) => value !== null && personal.test(path.split('/').at(-1)!))
      .map(({ value }) => value);
    expect(shown.map(({ value }) => value).filter((value) => secrets.includes(value))).toEqual([]);
  });

  it('has nothing personal in minimum, by the names of its fields', () => {
    const paths = pathsOf(schemaOf(fields, 'minimum'));
    if (type === 'endpoint.disabled') paths.splice(paths.indexOf('/reason'), 1);
    const names = paths.flatMap((path) => path.split(/[/[\]]+/));
    expect(names.filter((name) => personal.test(name))).toEqual([]);
    const here = personalIn[type.split('.')[0]!];
    expect(paths.filter((path) => here?.test(path))).toEqual([]);
  });

  it('names as changed only fields it has', () => {
    const { changedFields = [] } = example as { changedFields?: string[] };
    const known = Object.keys(fields);
    for (const name of changedFields) expect(known).toContain(name.split('.')[0]);
  });

  it('links with ids only, so that thin readers can follow', () => {
    const thin = projectFields(fields, example, 'thin');
    expect(links(thin)).toEqual(links(example));
    for (const link of Object.values(links(example))) {
      expect(link).toMatch(/^\/[a-z]+\/[0-9a-f-]{36}(\/[a-z]+\/[0-9a-f-]{36})?$/);
    }
  });

  it.each(payloadModes)('travels in %s as a CloudEvent', (mode) => {
    const isOfPractice = !isOwnersType(type);
    const practiceId = isOfPractice ? '019a0f5e-7c00-7000-8000-000000000002' : null;
    const stored = {
      id: '019a0f5e-7c00-7000-8000-000000000001',
      type,
      typeVersion: version,
      position: '1.5.7',
      practiceId,
      source: isOfPractice ? `/practices/${practiceId}` : '/operator',
      subject: `${subject}/x`,
      subjectVersion: 3,
      time: new Date('2026-03-08T15:04:05.678Z'),
      actor: 'operator',
      correlationId: 'r-1',
      causationId: null,
      traceparent: null,
      data: example,
    };
    const { data, ...envelope } = toCloudEvent(stored, { mode, publicUrl: 'https://hub.example' });
    expect(envelope).toEqual({
      specversion: '1.0',
      id: stored.id,
      type,
      source: stored.source,
      subject: stored.subject,
      time: '2026-03-08T15:04:05.678Z',
      datacontenttype: 'application/json',
      dataschema: `https://hub.example/v1/event-types/${type}/versions/${version}/schema?mode=${mode}`,
      ...(isOfPractice && { practiceid: practiceId }),
      subjectversion: 3,
      actor: 'operator',
      correlationid: 'r-1',
    });
    const { links: shownLinks, ...shown } = data!;
    expect(shown).toEqual(projectFields(fields, example, mode));
    const prefix = `https://hub.example/v1${isOfPractice ? `/practices/${practiceId}` : ''}`;
    expect(shownLinks).toEqual(
      mode === 'thin'
        ? Object.fromEntries(
            Object.entries(links(example)).map(([name, path]) => [name, prefix + path]),
          )
        : undefined,
    );
  });
});
