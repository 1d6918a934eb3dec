/**
 * `npm run demo -- --flow NAME` (or `all`): the file flows on the sandbox's national services, good, refused, silent,
 * repeated and late. With `--json` the last line is the result: an object, or for `all` an array.
 */
import { FILE_FLOWS } from '../test/harness/file-flows/cases';
import { runFlow, type FlowResult } from '../test/harness/file-flows/run';

/** Runs the demo of file flows. Returns whether every request ended as it had to. */
export async function demoOfFlows(name: string, asJson: boolean): Promise<boolean> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const results: FlowResult[] = [];
  for (const each of name === 'all' ? Object.keys(FILE_FLOWS) : [name]) {
    results.push(await runFlow(each, say));
    say('');
  }
  for (const { flow, requests, settled, negative, missing, late, duplicates } of results) {
    say(
      `${flow}: ${requests} requests, ${settled} settled (${negative} of them refused or in part, ${late} late), ` +
        `${missing} missing; ${duplicates} replies came twice.`,
    );
  }
  if (asJson) say(JSON.stringify(name === 'all' ? results : results[0]));
  return results.every(({ requests, settled, missing }) => settled + missing === requests);
}
