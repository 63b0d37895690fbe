import { openApiDocument } from '../../src/platform/http/open-api.js';
import type { TestHub } from './start-hub.js';

export interface Route {
  method: string;
  /** With parameters in braces. */
  template: string;
}

/**
 * What the router really answers, so that a route that the document leaves out cannot be forgotten either. HEAD, which
 * comes with GET, is left out.
 */
export function routedBy({ app }: Pick<TestHub, 'app'>): Route[] {
  const tree = app.getHttpAdapter().getInstance().printRoutes({ commonPrefix: false }) as string;
  const parents: string[] = [];
  return tree.split('\n').flatMap((line) => {
    const [, indent, path, methods] = /^([│ ]*)[├└]── (\S+)(?: \((.+)\))?$/u.exec(line) ?? [];
    if (indent === undefined) {
      if (line.trim() !== '') throw new Error(`cannot read the route ${line}`);
      return [];
    }
    const depth = indent.length / 4;
    parents[depth] = (depth > 0 ? parents[depth - 1]! : '') + path!;
    const template = parents[depth]!.replace(/:(\w+)/g, '{$1}');
    return (methods ?? '')
      .split(', ')
      .flatMap((method) => (method === '' || method === 'HEAD' ? [] : [{ method, template }]));
  });
}

/** What the document says of the same. */
export function documentedBy({ app }: Pick<TestHub, 'app'>): Route[] {
  return Object.entries(openApiDocument(app).paths).flatMap(([template, item]) =>
    ['get', 'post', 'put', 'patch', 'delete'].flatMap((method) =>
      method in item ? [{ method: method.toUpperCase(), template }] : [],
    ),
  );
}

/** The page that shows the document, and what it is made of: open to all, since the contract is no secret. */
export function isDocumentation({ template }: Route): boolean {
  return /^\/(docs(\/|$)|openapi\.(json|yaml)$)/.test(template);
}
