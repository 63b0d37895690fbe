/** Where the trail is broken, and how. */
export interface Fault {
  what: 'block' | 'entry' | 'delivery batch' | 'head';
  /** `{writer} {number}` of a block, the id of an entry, `{file}:{line}` of a head. */
  which: string;
  /** A sentence for the operator. */
  why: string;
}

/** Thrown at the first fault: what comes behind it proves nothing any more. */
export class TrailBroken extends Error {
  constructor(readonly fault: Fault) {
    super(`${fault.what} ${fault.which}: ${fault.why}`);
  }
}

export function broken(what: Fault['what'], which: string, why: string): TrailBroken {
  return new TrailBroken({ what, which, why });
}
