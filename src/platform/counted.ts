/** A count with its noun, as commands print it: `1 entry`, `2 entries`. Pure. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
