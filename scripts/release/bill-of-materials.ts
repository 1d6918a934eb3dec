/** The CycloneDX bill of materials of what users install, and the list of its licences. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import manifest from '../../package.json';
import { npm, succeeded } from '../../test/harness/command';

/** Licences that a trust can accept without review. Any other stops the release until it has been reviewed. */
const ALLOWED = new Set(['MIT', 'ISC', '0BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0']);

interface Bill {
  metadata: { component: Component; tools: unknown };
  components: Component[];
}

interface Component {
  name: string;
  version: string;
  purl: string;
  licenses?: Array<{ license?: { id?: string; name?: string }; expression?: string }>;
}

/**
 * Writes sbom.cdx.json and licences.md into `folder`, and returns the number of packages.
 *
 * @throws Error when a licence is not in the list of allowed ones.
 */
export async function writeBill(folder: string): Promise<number> {
  const output = succeeded(await npm(['sbom', '--omit', 'dev', '--sbom-format', 'cyclonedx']), 'npm sbom');
  const bill = JSON.parse(output) as Bill;
  // npm uses the folder's name instead of the package's.
  bill.metadata.component.name = manifest.name;
  const unknown = bill.components.filter((component) => !licencesOf(component).every((id) => ALLOWED.has(id)));
  if (unknown.length > 0) {
    throw new Error(unknown.map((one) => `${one.name}: licence ${licencesOf(one).join(', ')}`).join('\n'));
  }
  await writeFile(join(folder, 'sbom.cdx.json'), `${JSON.stringify(bill, null, 2)}\n`);
  await writeFile(join(folder, 'licences.md'), licenceList(bill.components));
  return bill.components.length;
}

function licencesOf({ licenses = [] }: Component): string[] {
  const ids = licenses.map(({ license, expression }) => license?.id ?? license?.name ?? expression ?? 'none');
  return ids.length === 0 ? ['none'] : ids;
}

function licenceList(components: readonly Component[]): string {
  const rows = components.map((one) => `| ${one.name} | ${one.version} | ${licencesOf(one).join(', ')} |`).sort();
  const head = `# Licences of what is installed with ${manifest.name} ${manifest.version}`;
  return `${[head, '', '| package | version | licence |', '| --- | --- | --- |', ...rows].join('\n')}\n`;
}
