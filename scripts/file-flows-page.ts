/** `npx tsx scripts/file-flows-page.ts`: writes docs/file-flows.html, the index of the workflow profiles. */
import { writeFileSync } from 'node:fs';
import { FILE_FLOWS_PAGE, fileFlowsPage } from '../test/harness/file-flows-page';

writeFileSync(FILE_FLOWS_PAGE, fileFlowsPage());
