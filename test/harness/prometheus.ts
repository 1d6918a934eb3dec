/** Reads Prometheus' text format, version 0.0.4, as a scrape does; written from its description, not from prom-client. */

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (NaN|[+-]?Inf|[+-]?[0-9.eE+-]+)(?: -?[0-9]+)?$`);
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;
const SUFFIX = /_(bucket|sum|count)$/;

/** @throws Error when a line breaks a rule of the format, a metric has no type, or a sample comes twice */
export function readExposition(text: string): Sample[] {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const types = new Map<string, string>();
  const seen = new Set<string>();
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('# HELP ')) continue;
    if (line.startsWith('# TYPE ')) {
      const [, , name = '', type = ''] = line.split(' ');
      if (!/^(counter|gauge|histogram|summary|untyped)$/.test(type) || types.has(name)) throw new Error(line);
      types.set(name, type);
      continue;
    }
    const [, name = '', labelled = '', number = ''] = SAMPLE.exec(line) ?? [];
    if (name === '') throw new Error(`no sample: ${line}`);
    const labels: Record<string, string> = {};
    LABEL.lastIndex = 0;
    for (let at = 0; at < labelled.length; at = LABEL.lastIndex) {
      const [, label, value] = LABEL.exec(labelled) ?? [];
      if (label === undefined || value === undefined) throw new Error(`no label: ${line}`);
      labels[label] = value.replaceAll(/\\(.)/g, (_all, special: string) => (special === 'n' ? '\n' : special));
    }
    const isHistogram = types.get(name.replace(SUFFIX, '')) === 'histogram';
    if (!types.has(name) && !isHistogram) throw new Error(`no type: ${line}`);
    const key = `${name} ${JSON.stringify(labels)}`;
    if (seen.has(key)) throw new Error(`twice: ${line}`);
    seen.add(key);
    samples.push({ name, labels, value: Number(number.replace('Inf', 'Infinity')) });
  }
  return samples;
}
