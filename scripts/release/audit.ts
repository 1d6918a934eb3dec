/** Known weaknesses of what users install. */
import { npm } from '../../test/harness/command';

/** Advisories that do not concern this package, each with the reason; nothing is here without one. */
const REASONED: Record<string, string> = {};

interface Report {
  vulnerabilities?: Record<string, { severity: string; via: Array<string | { url?: string; title?: string }> }>;
}

/** One line. Throws at an advisory without a reason. */
export async function audit(): Promise<string> {
  const { stdout } = await npm(['audit', '--omit', 'dev', '--json', '--audit']);
  const { vulnerabilities } = readReport(stdout);
  if (vulnerabilities === undefined)
    return 'skipped: this npm registry has no audit; ask one that has before publishing';
  const open = Object.entries(vulnerabilities).flatMap(([name, { severity, via }]) =>
    via
      .filter((one) => typeof one !== 'string')
      .filter(({ url = '' }) => REASONED[url] === undefined)
      .map(({ title = '', url = '' }) => `${name}: ${severity}: ${title} ${url}`),
  );
  if (open.length > 0) throw new Error(open.join('\n'));
  return `no known weakness; ${Object.keys(REASONED).length} reasoned`;
}

function readReport(stdout: string): Report {
  try {
    return JSON.parse(stdout) as Report;
  } catch {
    return {};
  }
}
