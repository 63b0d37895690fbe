/** The least id of a moment: UUIDv7 begins with its milliseconds (RFC 9562, section 5.7). */
export function idFloor(time: string | Date): string {
  const ms = Math.max(0, new Date(time).getTime());
  const hex = ms.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

/** When an id was made. */
export function madeAt(id: string): Date {
  return new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16));
}
