/**
 * Regular expressions of a profile, applied to hostile text. Repeats within a repeat, the common cause of a match that
 * takes for ever, are refused when the profile is read; and the texts are short.
 */

/** A group that may be repeated without limit, and that has such a repeat or a choice in it: `(a+)*`, `(a|ab)+`. */
const NESTED_REPEAT = /\((?:[^()\\]|\\.)*(?:[^\\(?][+*]|\{\d+,\d*\}|\|)(?:[^()\\]|\\.)*\)(?:[+*]|\{\d+,\})/;

/** Returns what is wrong with a pattern; undefined if nothing is. */
export function patternFault(text: string): string | undefined {
  try {
    RegExp(text, 'u');
  } catch {
    return 'is no regular expression';
  }
  if (NESTED_REPEAT.test(text.replaceAll(/\[(?:[^\]\\]|\\.)*\]/g, 'x'))) {
    return 'repeats a group that has a repeat or a choice in it, which could take very long';
  }
  return undefined;
}

/** Patterns come from profiles, of which there are few. */
const COMPILED = new Map<string, RegExp>();

/** Returns a pattern of a profile, as an expression without regard to case. */
export function compiled(pattern: string): RegExp {
  const known = COMPILED.get(pattern);
  if (known) return known;
  const expression = new RegExp(pattern, 'iu');
  COMPILED.set(pattern, expression);
  return expression;
}
