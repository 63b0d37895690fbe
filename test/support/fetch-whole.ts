export interface Answer {
  status: number;
  headers: Headers;
  text: string;
}

/**
 * A request whose answer is read to its end, whether the test looks at it or not: a long one that nobody reads keeps its
 * connection open, and the process of the tests with it.
 */
export async function fetchWhole(url: string, init?: RequestInit): Promise<Answer> {
  const answer = await fetch(url, init);
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}
