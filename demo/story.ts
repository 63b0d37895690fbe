/** What happens in the tour, told through the REST API only. */

interface Hub {
  url: string;
  key: string;
}

/** The reminder falls due this long after the booking: half an hour ahead of an appointment that is nearly so far. */
const reminderInMs = 4_000;
const halfHourMs = 30 * 60_000;

export const practices = [
  {
    practice: {
      name: 'Elm Street Dental',
      kind: 'dental',
      timeZone: 'America/Chicago',
      currency: 'USD',
    },
    patient: { kind: 'human', givenName: 'Ada', familyName: 'Byrne' },
    charge: { amount: 18_500, description: 'Cleaning' },
  },
  {
    practice: {
      name: 'Riverside Vets',
      kind: 'veterinary',
      timeZone: 'America/Denver',
      currency: 'USD',
    },
    patient: {
      kind: 'animal',
      givenName: 'Biscuit',
      species: 'dog',
      owner: { givenName: 'Rosa', familyName: 'Marin' },
    },
    charge: { amount: 9_900, description: 'Vaccination' },
  },
] as const;

export async function tour(
  hub: Hub,
  partner: { url: string; trust(secret: string): void },
  onPractice: (id: string, name: string) => void,
): Promise<void> {
  const { secret } = await post(hub, '/v1/endpoints', {
    url: partner.url,
    eventTypes: ['*'],
    description: 'The partner of the tour',
  });
  partner.trust(secret);
  for (const { practice, patient, charge } of practices) {
    const { id } = await post(hub, '/v1/practices', practice);
    onPractice(id, practice.name);
    const below = `/v1/practices/${id}`;
    const { id: patientId } = await post(hub, `${below}/patients`, patient);
    const start = Date.now() + halfHourMs + reminderInMs;
    await post(hub, `${below}/appointments`, {
      patientId,
      start: new Date(start).toISOString(),
      end: new Date(start + halfHourMs).toISOString(),
      type: { name: charge.description },
    });
    const { currency } = practice;
    await post(hub, `${below}/charges`, { patientId, currency, ...charge });
    await post(hub, `${below}/payments`, {
      patientId,
      currency,
      amount: charge.amount,
      method: 'card',
      payer: { type: 'patient' },
    });
  }
}

async function post<T = { id: string; secret: string }>(
  { url, key }: Hub,
  path: string,
  body: object,
): Promise<T> {
  const answer = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(15_000),
  });
  if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${await answer.text()}`);
  console.log(`  POST ${path.replace(/[0-9a-f-]{36}/, '…')}`);
  return (await answer.json()) as T;
}
