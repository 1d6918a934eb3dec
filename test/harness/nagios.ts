/** Reads the output of a plug-in by the Nagios plug-in guidelines, sections 1 and 2.6; written from those, not from lib. */

export interface PluginOutput {
  state: string;
  text: string;
  performance: Record<string, { value: number; unit: string; warning: string; critical: string }>;
}

const STATES = ['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'];
/** 'label'=value[UOM];[warn];[crit];[min];[max], where the quotes may be left out without a blank in the label. */
const DATUM =
  /^(?:'([^'=]+)'|([^\s'=]+))=(-?\d+(?:\.\d+)?)(s|us|ms|%|B|KB|MB|TB|c)?(?:;(@?[-\d.~:]*))?(?:;(@?[-\d.~:]*))?(?:;(-?[\d.]*))?(?:;(-?[\d.]*))?$/;

/** @throws Error when the output or the exit code breaks a rule */
export function readPlugin(output: string, code: number): PluginOutput {
  if (!/^[^\r\n]+\n$/.test(output)) throw new Error(`not one line: ${JSON.stringify(output)}`);
  const [text = '', data = '', ...more] = output.trimEnd().split('|');
  if (more.length > 0) throw new Error('more than one bar');
  const [, state = '', said = ''] = /^\w+ (\w+) - (.*)$/.exec(text.trimEnd()) ?? [];
  if (STATES[code] !== state) throw new Error(`exit code ${code} with ${output}`);
  const performance: PluginOutput['performance'] = {};
  for (const datum of data.trim().split(/ +/)) {
    if (datum === '') continue;
    const [, quoted, plain = '', value, unit = '', warning = '', critical = ''] = DATUM.exec(datum) ?? [];
    if (value === undefined) throw new Error(`no performance data: ${datum}`);
    performance[quoted ?? plain] = { value: Number(value), unit, warning, critical };
  }
  return { state, text: said, performance };
}
