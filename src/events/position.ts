/**
 * A place in the log: `generation`, then the writer's transaction id, then the row's number. Ordered by the three,
 * and written `generation.xact.seq` wherever it travels (a cursor, a header, an SSE id). The two large parts stay
 * decimal strings, because they outgrow a JavaScript number.
 */
export interface Position {
  generation: number;
  xactId: string;
  seq: string;
}

export const logStart: Position = { generation: 0, xactId: '0', seq: '0' };

const pattern = /^(\d{1,9})\.(\d{1,20})\.(\d{1,19})$/;

export function formatPosition({ generation, xactId, seq }: Position): string {
  return `${generation}.${xactId}.${seq}`;
}

/** Undefined where the text is no position; the caller knows which parameter to blame. */
export function parsePosition(text: string): Position | undefined {
  const match = pattern.exec(text);
  if (!match) return undefined;
  const position = { generation: Number(match[1]), xactId: match[2]!, seq: match[3]! };
  // What PostgreSQL's xid8 and bigint cannot hold is no position either.
  const fits = isBelow(position.xactId, 2n ** 64n) && isBelow(position.seq, 2n ** 63n);
  return fits && position.generation < 2 ** 31 ? position : undefined;
}

// Both bounds have at least 19 digits: what is shorter needs no big number, on the way of every event.
function isBelow(decimal: string, bound: bigint): boolean {
  return decimal.length < 19 || BigInt(decimal) < bound;
}

/** Negative when `a` comes before `b`. */
export function comparePositions(a: Position, b: Position): number {
  return (
    a.generation - b.generation ||
    compareDecimals(a.xactId, b.xactId) ||
    compareDecimals(a.seq, b.seq)
  );
}

/** Of at least one position, the one before all others. */
export function lowest(positions: readonly Position[]): Position {
  return positions.reduce((least, other) => (comparePositions(other, least) < 0 ? other : least));
}

// The database writes decimals without leading zeros, so that the longer one is the larger; a cursor that
// somebody typed may have them.
function compareDecimals(a: string, b: string): number {
  if (a === b) return 0;
  const [x, y] = [withoutZeros(a), withoutZeros(b)];
  return x.length - y.length || (x < y ? -1 : x > y ? 1 : 0);
}

// Looked at before it is replaced: fan-out compares every event with every endpoint that may want it.
function withoutZeros(digits: string): string {
  return digits.startsWith('0') ? digits.replace(/^0+(?=\d)/, '') : digits;
}
