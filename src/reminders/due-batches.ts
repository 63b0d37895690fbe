/** A reminder that is due, as far as finding it tells. */
export interface Due {
  id: string;
  practiceId: string;
  appointmentId: string;
}

/**
 * Divides what is due into batches of at most `size`, and these into runs. A batch holds few practices and as much of
 * each as fits, so that few are locked at a time, and each seldom. Batches of one run come one after the other; no
 * practice is in two runs, so that runs can be worked on side by side. Pure.
 */
export function runsOf(due: readonly Due[], size: number): Due[][][] {
  const runs: Due[][][] = [];
  let open: Due[] = [];
  for (const ofOne of byPractice(due)) {
    if (open.length + ofOne.length > size) {
      if (open.length > 0) runs.push([open]);
      open = [];
    }
    if (ofOne.length > size) runs.push(piecesOf(ofOne, size));
    else open.push(...ofOne);
  }
  if (open.length > 0) runs.push([open]);
  return runs;
}

export function byPractice(due: readonly Due[]): Due[][] {
  const groups = new Map<string, Due[]>();
  for (const one of due) {
    const group = groups.get(one.practiceId);
    if (group) group.push(one);
    else groups.set(one.practiceId, [one]);
  }
  return [...groups.values()];
}

function piecesOf(due: readonly Due[], size: number): Due[][] {
  return Array.from({ length: Math.ceil(due.length / size) }, (_, i) =>
    due.slice(i * size, (i + 1) * size),
  );
}
