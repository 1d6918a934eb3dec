/** Names and phrases that the vocabulary (docs/glossary.md) has replaced do not come back. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../harness/node-red';
import { trackedFiles } from '../harness/tracked-files';

/** Names that no identifier may contain, alone or as a part in camel case (`deskMessage`, `#inHand`). */
const REPLACED = [
  'patientRename',
  'atTheDesk',
  'answerWish',
  'meshTeller',
  'diskRoom',
  'flights',
  'inHand',
  'nextUp',
  'convicted',
  'acquit',
  'callOrder',
  'incomingStanding',
  'untold',
  'onOther',
  'changeTogether',
  'passingUser',
  'letGo',
];

/** Ordinary words, allowed in comments and strings, but not as the name of a declaration. */
const REPLACED_DECLARATIONS = [
  'Desk',
  'Room',
  'suspect',
  'judge',
  'Turns',
  'InOrder',
  'others',
  'within',
  'Regular',
  'identify',
  'recognise',
];

const PHRASES = [
  /\bGo on\b/,
  /\belse overdue\b/,
  /\bLeft to others\b/i,
  /\bDeliveries at most\b/i,
  /\bTell MESH\b/i,
  /\bhave to fit\b/i,
  /\bday 5 is near\b/i,
  /\baway, \S+ waits?\b/,
  /\bnames looked at\b/i,
  /(?<![\w-])To the flow\b/,
  /\bbegun anew\b/i,
  /\bheld for a person\b/i,
  /\bNode-RED lives on\b/i,
  /\bmend(?:ed|s|ing)?\b/i,
  /\bin earnest\b/i,
  /\bwhere they make it smaller\b/i,
];

const OWN_FILE = 'test/architecture/vocabulary.test.ts';
const code = trackedFiles(/\.(?:ts|js|cjs|mjs|html)$/).filter((file) => file !== OWN_FILE);
const texts = trackedFiles(/\.(?:ts|js|cjs|mjs|html|json|md|css)$/).filter(
  (file) => file !== OWN_FILE && file !== 'package-lock.json',
);

/** Returns every matching line of the files as `file:line: text`. */
function linesWith(files: readonly string[], pattern: RegExp): string[] {
  return files.flatMap((file) =>
    readFileSync(join(ROOT, file), 'utf8')
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim().slice(0, 160)}`] : [])),
  );
}

const capital = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);

describe('the vocabulary', () => {
  for (const name of REPLACED) {
    it(`has replaced ${name}, also as part of a longer name`, () =>
      assert.deepEqual(linesWith(code, new RegExp(`(?<![A-Za-z])${name}|${capital(name)}(?![a-z])`)), []));
  }

  for (const name of REPLACED_DECLARATIONS) {
    it(`has no declaration named ${name}`, () =>
      assert.deepEqual(
        linesWith(
          code,
          new RegExp(
            `\\b(?:class|interface|type|enum|function\\*?|const|let|var)\\s+${name}\\b|` +
              `^\\s*(?:export\\s+)?(?:(?:public|private|protected|static|async|readonly|get|set)\\s+)*#?${name}(?:\\?)?(?:<[^>]*>)?(?:\\(.*\\{$|:\\s)`,
          ),
        ),
        [],
      ));
  }

  it('has one type named Incoming', () =>
    assert.equal(linesWith(code, /\b(?:class|interface|type)\s+Incoming\b(?! *[,}])/).length, 1));

  for (const phrase of PHRASES) {
    it(`has replaced the phrase ${phrase.source}`, () => assert.deepEqual(linesWith(texts, phrase), []));
  }
});
