/** Checks requests and responses against an OpenAPI 3.0 document. */
import Ajv, { type ValidateFunction } from 'ajv';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { Recorded } from './recorder';

type Schema = Record<string, unknown>;
interface Parameter {
  in: 'path' | 'query' | 'header';
  name: string;
  required?: boolean;
  schema: Schema;
}
interface Operation {
  operationId: string;
  parameters?: Parameter[];
  requestBody?: { required?: boolean };
  responses: Record<string, { content?: Record<string, { schema?: Schema }> }>;
}
interface Found {
  operation: Operation;
  name: string;
  path: Record<string, string>;
  query: Record<string, string>;
}

/** Headers of HTTP itself, which no OpenAPI document lists. */
const HTTP = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'user-agent',
  'accept',
  'accept-encoding',
]);

export class Specification {
  readonly #paths: Record<string, Record<string, Operation>>;
  readonly #ajv = new Ajv({ strict: false, coerceTypes: true, allErrors: true, formats: FORMATS });
  readonly #compiled = new Map<Schema, ValidateFunction>();

  constructor(file: string) {
    const document = parse(readFileSync(file, 'utf8'), { maxAliasCount: -1 }) as { paths: never };
    this.#paths = document.paths;
  }

  /** The short names of all operations, without the path that the document repeats in them. */
  get operations(): string[] {
    return Object.values(this.#paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => short(operationId)),
    );
  }

  /** Returns the name of the requested operation; undefined if there is none. */
  nameOf(recorded: Recorded): string | undefined {
    return this.#find(recorded)?.name;
  }

  /** Returns the deviations of the request, each as `operation: what`. */
  requestDeviations(recorded: Recorded): string[] {
    const found = this.#find(recorded);
    if (!found) return [`no such operation: ${recorded.method}`];
    const { operation, name, path, query } = found;
    const parameters = operation.parameters ?? [];
    const given = { path, query, header: recorded.requestHeaders as Record<string, string> };
    const deviations = parameters.flatMap((parameter) => {
      const key = parameter.in === 'header' ? parameter.name.toLowerCase() : parameter.name;
      const value = given[parameter.in][key];
      if (value === undefined) return parameter.required ? [`${parameter.in} ${parameter.name} is missing`] : [];
      return this.#problems(parameter.schema, value).map((what) => `${parameter.in} ${parameter.name} ${what}`);
    });
    const known = new Set(parameters.filter((each) => each.in === 'header').map((each) => each.name.toLowerCase()));
    for (const header of Object.keys(recorded.requestHeaders)) {
      if (!HTTP.has(header) && !known.has(header)) deviations.push(`header ${header} is not listed`);
    }
    const queries = new Set(parameters.filter((each) => each.in === 'query').map((each) => each.name));
    for (const key of Object.keys(query)) if (!queries.has(key)) deviations.push(`query ${key} is not listed`);
    if (operation.requestBody?.required && recorded.requestBytes === 0) deviations.push('the body is missing');
    return deviations.map((what) => `${name}: ${what}`);
  }

  /** Returns the deviations of the response. */
  responseDeviations(recorded: Recorded): string[] {
    const found = this.#find(recorded);
    if (!found) return [];
    const { operation, name } = found;
    const response = operation.responses[recorded.status];
    if (!response) return [`${name}: status ${recorded.status} is not listed`];
    const { content } = response;
    if (!content || recorded.method === 'HEAD') return [];
    const media = (recorded.responseHeaders['content-type'] ?? 'none').split(';')[0] ?? '';
    const schema = (content[media] ?? content['application/json'])?.schema;
    const prefix = `${name}: ${recorded.status}`;
    if (!content[media]) return [`${prefix} ${media} is not listed`];
    if (!schema || !/json/.test(media)) return [];
    return this.#problems(closed(schema), JSON.parse(recorded.body.toString('utf8'))).map(
      (what) => `${prefix} ${media.includes('v2') ? 'version 2' : 'version 1'} ${what}`,
    );
  }

  #problems(schema: Schema, value: unknown): string[] {
    let validate = this.#compiled.get(schema);
    if (!validate) this.#compiled.set(schema, (validate = this.#ajv.compile(schema)));
    if (validate(structuredClone(value))) return [];
    return (validate.errors ?? []).map(({ instancePath, message, params }) =>
      [instancePath.replaceAll(/\/\d+/g, '/n'), message, (params as { additionalProperty?: string }).additionalProperty]
        .filter(Boolean)
        .join(' '),
    );
  }

  #find({ method, path }: Recorded): Found | undefined {
    const url = new URL(path, 'http://x');
    const parts = url.pathname.split('/');
    const matching = Object.entries(this.#paths)
      .filter(([template]) => matches(template.split('/'), parts))
      // If several match, the one with the fewest placeholders is meant.
      .sort(([one], [other]) => one.split('{').length - other.split('{').length);
    for (const [template, methods] of matching) {
      const operation = methods[method.toLowerCase()];
      if (!operation) continue;
      const names = template.split('/').entries();
      const values = [...names].filter(([, part]) => part.startsWith('{'));
      const given = values.map(([index, part]) => [part.slice(1, -1), decodeURIComponent(parts[index] ?? '')]);
      return {
        operation,
        name: short(operation.operationId),
        path: Object.fromEntries(given) as Record<string, string>,
        query: Object.fromEntries(url.searchParams),
      };
    }
    return undefined;
  }
}

const FORMATS = {
  binary: true,
  any: true,
  'date-time': (text: string) => !Number.isNaN(Date.parse(text)),
} as const;

function matches(template: readonly string[], parts: readonly string[]): boolean {
  return (
    template.length === parts.length && template.every((part, index) => part.startsWith('{') || part === parts[index])
  );
}

function short(operationId: string): string {
  return operationId
    .replace('get_receiving_mailbox_ids_', '')
    .replace(/^messageexchange_(\w+?)__.*$/, '$1')
    .replace(/_messageexchange_.*$/, '');
}

const CLOSED = new Map<Schema, Schema>();

/** Returns the schema with unlisted fields forbidden. */
function closed(schema: Schema): Schema {
  const known = CLOSED.get(schema);
  if (known) return known;
  const copy = structuredClone(schema);
  const close = (each: unknown): void => {
    if (typeof each !== 'object' || each === null) return;
    Object.values(each).forEach(close);
    if ('properties' in each && 'type' in each) Object.assign(each, { additionalProperties: false });
  };
  close(copy);
  CLOSED.set(schema, copy);
  return copy;
}
