/** Parses FHIRPath (N1, as STU3 and R4 use it) into a tree. */

/** A node of the tree. */
export type Expression =
  | { kind: 'literal'; value: string | number | boolean }
  | { kind: 'empty' }
  | { kind: 'variable'; name: string }
  | { kind: 'member'; of: Expression | undefined; name: string }
  | { kind: 'call'; of: Expression | undefined; name: string; args: Expression[] }
  | { kind: 'index'; of: Expression; index: Expression }
  | { kind: 'negate'; of: Expression }
  | { kind: 'type'; operator: 'is' | 'as'; of: Expression; type: string }
  | { kind: 'binary'; operator: string; left: Expression; right: Expression };

/** An expression that is not FHIRPath, or uses what is not supported here. */
export class FhirPathError extends Error {}

/** Binary operators by precedence: those of a later group bind more tightly (FHIRPath, Operator Precedence). */
const PRECEDENCE: ReadonlyArray<readonly string[]> = [
  ['implies'],
  ['or', 'xor'],
  ['and'],
  ['in', 'contains'],
  ['=', '~', '!=', '!~'],
  ['<', '>', '<=', '>='],
  ['|'],
  ['is', 'as'],
  ['+', '-', '&'],
  ['*', '/', 'div', 'mod'],
];

const TOKEN =
  /\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/|(?<date>@T?[\d:T.Z+-]+)|(?<number>\d+(?:\.\d+)?)|(?<string>'(?:[^'\\]|\\.)*')|(?<quoted>`(?:[^`\\]|\\.)*`|"(?:[^"\\]|\\.)*")|(?<name>[A-Za-z_]\w*)|(?<variable>%(?:[A-Za-z_][\w-]*|'[^']*'|`[^`]*`|"[^"]*"))|(?<this>\$(?:this|index|total))|(?<symbol><=|>=|!=|!~|[=~<>|+\-*/&.,()[\]{}])/gy;

interface Token {
  kind: string;
  text: string;
}

/** Nesting at which an expression is refused; published ones stay below 20. */
const MAX_NESTING = 100;

/** @throws FhirPathError */
export function parseFhirPath(text: string): Expression {
  return new Parser(tokens(text)).whole();
}

function tokens(text: string): Token[] {
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (!match) throw new FhirPathError(`It cannot be read at character ${at + 1}.`);
    const kind = Object.entries(match.groups ?? {}).find(([, value]) => value !== undefined)?.[0];
    if (kind !== undefined) found.push({ kind, text: match[0] });
  }
  return found;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', f: '\f' };

const unquote = (text: string): string =>
  text
    .slice(1, -1)
    .replaceAll(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, code: string | undefined, one: string) =>
      code === undefined ? (ESCAPES[one] ?? one) : String.fromCharCode(Number.parseInt(code, 16)),
    );

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #nesting = 0;

  constructor(found: readonly Token[]) {
    this.#tokens = found;
  }

  whole(): Expression {
    const expression = this.#binary(0);
    if (this.#at < this.#tokens.length) throw new FhirPathError('It goes on after its end.');
    return expression;
  }

  #binary(level: number): Expression {
    const operators = PRECEDENCE[level];
    if (!operators) return this.#unary();
    let left = this.#binary(level + 1);
    for (let next = this.#peek(); next !== undefined && operators.includes(next); next = this.#peek()) {
      this.#at += 1;
      if (next === 'is' || next === 'as') left = { kind: 'type', operator: next, of: left, type: this.#typeName() };
      else left = { kind: 'binary', operator: next, left, right: this.#binary(level + 1) };
    }
    return left;
  }

  #unary(): Expression {
    if (this.#peek() === '-') {
      this.#at += 1;
      return { kind: 'negate', of: this.#unary() };
    }
    if (this.#peek() === '+') this.#at += 1;
    return this.#path();
  }

  #path(): Expression {
    this.#nesting += 1;
    if (this.#nesting > MAX_NESTING) throw new FhirPathError('It is nested too deeply.');
    let path = this.#term();
    for (;;) {
      if (this.#take('.')) path = this.#invocation(path);
      else if (this.#take('[')) {
        path = { kind: 'index', of: path, index: this.#binary(0) };
        this.#expect(']');
      } else break;
    }
    this.#nesting -= 1;
    return path;
  }

  #term(): Expression {
    const token = this.#tokens[this.#at];
    if (!token) throw new FhirPathError('It ends too early.');
    if (token.kind === 'name' || token.kind === 'quoted') return this.#invocation(undefined);
    this.#at += 1;
    switch (token.kind) {
      case 'number':
        return this.#quantity(Number(token.text));
      case 'string':
        return { kind: 'literal', value: unquote(token.text) };
      case 'date':
        return { kind: 'literal', value: token.text.slice(1) };
      case 'variable':
        return { kind: 'variable', name: token.text.slice(1).replaceAll(/^['`"]|['`"]$/g, '') };
      case 'this':
        return { kind: 'variable', name: token.text };
      default:
    }
    if (token.text === '(') {
      const inner = this.#binary(0);
      this.#expect(')');
      return inner;
    }
    if (token.text === '{') {
      this.#expect('}');
      return { kind: 'empty' };
    }
    throw new FhirPathError('It has an operator where a value belongs.');
  }

  /** A quantity's unit is dropped: durations of days and years are not calculated with here. */
  #quantity(value: number): Expression {
    const unit = this.#tokens[this.#at];
    const isUnit =
      unit?.kind === 'string' ||
      (unit?.kind === 'name' && /^(?:year|month|week|day|hour|minute|second)s?$/.test(unit.text));
    if (isUnit) throw new FhirPathError('Quantities with units are not supported.');
    return { kind: 'literal', value };
  }

  #invocation(of: Expression | undefined): Expression {
    const token = this.#tokens[this.#at];
    this.#at += 1;
    if (token?.kind === 'this' && of === undefined) return { kind: 'variable', name: token.text };
    if (token?.kind !== 'name' && token?.kind !== 'quoted') throw new FhirPathError('A name is missing in it.');
    const name = token.kind === 'quoted' ? unquote(token.text) : token.text;
    if (token.kind === 'name' && this.#take('(')) {
      const args: Expression[] = [];
      if (!this.#take(')')) {
        do args.push(this.#binary(0));
        while (this.#take(','));
        this.#expect(')');
      }
      return { kind: 'call', of, name, args };
    }
    if (of === undefined && token.kind === 'name' && (name === 'true' || name === 'false')) {
      return { kind: 'literal', value: name === 'true' };
    }
    return { kind: 'member', of, name };
  }

  #typeName(): string {
    const token = this.#tokens[this.#at];
    if (token?.kind !== 'name' && token?.kind !== 'quoted') throw new FhirPathError('A type is missing in it.');
    this.#at += 1;
    let name = token.kind === 'quoted' ? unquote(token.text) : token.text;
    if (this.#peek() === '.' && (name === 'FHIR' || name === 'System')) {
      this.#at += 1;
      name = this.#tokens[this.#at]?.text ?? '';
      this.#at += 1;
    }
    return name;
  }

  /** The next operator; a quoted name or a string is none, whatever it says. */
  #peek(): string | undefined {
    const token = this.#tokens[this.#at];
    return token?.kind === 'symbol' || token?.kind === 'name' ? token.text : undefined;
  }

  #take(symbol: string): boolean {
    if (this.#peek() !== symbol) return false;
    this.#at += 1;
    return true;
  }

  #expect(symbol: string): void {
    if (!this.#take(symbol)) throw new FhirPathError(`It lacks a ${symbol}.`);
  }
}
