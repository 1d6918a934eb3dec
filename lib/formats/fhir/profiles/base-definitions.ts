/**
 * HL7's own definitions of a release: types, extensions, the profiles that HL7 publishes with it, value sets and code
 * systems. `base-stu3.gz` and `base-r4.gz` are made by scripts/fhir-base-definitions.ts.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { FhirRelease } from '../definitions';
import type { Constraint } from '../validate/types';
import type { DefinitionKind } from './read-definitions';
import type { CodeSystemDefinition, NormalElement, Structure, ValueSet } from './normal';

/** One line of the file: its kind, URL and version, and the definition as JSON, with tabs between. */
export interface BaseDefinition {
  kind: DefinitionKind;
  url: string;
  version: string | undefined;
  read(): Structure | ValueSet | CodeSystemDefinition;
}

/** In the file an invariant is named by its key, `max` is left out for `*`, and `id` where it is the path. */
type StoredElement = Omit<NormalElement, 'constraints' | 'id'> & { id?: string; constraints?: string[] };

type StoredStructure = Omit<Structure, 'elements'> & { elements: StoredElement[] };

/** Returns the definitions of a release; each is parsed when it is read. */
export function baseDefinitions(release: FhirRelease): BaseDefinition[] {
  const text = gunzipSync(readFileSync(join(__dirname, `base-${release.toLowerCase()}.gz`)));
  const lines = linesOf(text);
  const constraints = JSON.parse(lines.shift()?.() ?? '{}') as Record<string, Constraint>;
  return lines.map((line) => {
    const [kind = '', url = '', version = ''] = line().split('\t', 3);
    return {
      kind: kind as DefinitionKind,
      url,
      version: version === '' ? undefined : version,
      read() {
        const definition = JSON.parse(line().split('\t', 4)[3] ?? '{}') as
          StoredStructure | ValueSet | CodeSystemDefinition;
        if (!('elements' in definition)) return definition;
        const restored = definition.elements.map(({ constraints: keys = [], ...element }) => ({
          ...element,
          id: element.id ?? element.path,
          max: element.max ?? Infinity,
          constraints: keys.flatMap((key) => constraints[key] ?? []),
        }));
        return { ...definition, elements: restored };
      },
    };
  });
}

/** Returns a way to read each line: the whole text as one string would be held twice. */
function linesOf(text: Buffer): Array<() => string> {
  const lines: Array<() => string> = [];
  for (let at = 0; at < text.length;) {
    const newline = text.indexOf(10, at);
    const [start, end] = [at, newline < 0 ? text.length : newline];
    lines.push(() => text.toString('utf8', start, end));
    at = end + 1;
  }
  return lines;
}
