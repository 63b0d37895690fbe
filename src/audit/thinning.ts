/** The most different things that are told apart at a time. */
const mostKeys = 10_000;

/**
 * Lets through only so many of a kind in each minute, so that nobody fills the trail by knocking; the rest is counted
 * and told with the first one of a later minute.
 */
export class Thinning {
  private readonly kinds = new Map<string, { minute: number; seen: number; unrecorded: number }>();

  constructor(private readonly mostAMinute: number) {}

  /**
   * @param nowMs on any clock that rises
   * @returns how many of the kind were passed over since the last one that was let through; undefined for one more
   */
  admit(kind: string, nowMs: number): number | undefined {
    const minute = Math.floor(nowMs / 60_000);
    let state = this.kinds.get(kind);
    if (!state) {
      if (this.kinds.size >= mostKeys) this.kinds.clear();
      state = { minute, seen: 0, unrecorded: 0 };
      this.kinds.set(kind, state);
    }
    if (state.minute !== minute) Object.assign(state, { minute, seen: 0 });
    if (state.seen >= this.mostAMinute) {
      state.unrecorded += 1;
      return undefined;
    }
    state.seen += 1;
    const { unrecorded } = state;
    state.unrecorded = 0;
    return unrecorded;
  }
}
