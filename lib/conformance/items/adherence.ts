/** 802: adherence to the specification, judged by every request of the run. */
import type { Item, Note } from '../item';
import type { Stage } from '../stage';
import type { WireExchange } from '../wire-log';
import { acknowledgementsOf, downloadOf, requestHeader } from '../wire-questions';

const MINUTE_MS = 60_000;

export const adherence: Item = {
  id: '802',
  title: 'Adherence to the specification, in every request of this run',
  run: async (stage, note) => {
    const { all } = stage.wire;
    note.check('requests looked at', all.length > 0, all.length);
    tokens(note, all);
    connections(note, all, stage.options.connection.environment);
    handshakes(note, stage, all);
    downloads(note, stage, all);
    listings(note, stage, all);
    const accepts = all.filter((each) => requestHeader(each, 'accept') !== 'application/vnd.mesh.v2+json');
    note.check('every request asks for version 2 of the API', accepts.length === 0, `${accepts.length} do not`);
    const anonymous = all.filter((each) => !requestHeader(each, 'user-agent'));
    note.check('every request names client and version (User-Agent)', anonymous.length === 0);
  },
};

function tokens(note: Note, all: readonly WireExchange[]): void {
  const digests = new Set(all.map(({ tokenDigest }) => tokenDigest));
  note.check('every request has a token of its own', digests.size === all.length && !digests.has(undefined));
  const wrong = all.filter(({ token, mailboxId, startedMs }) => {
    if (!token) return true;
    const [, year, month, day, hour, minute] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(token.timestamp) ?? [];
    const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:00Z`);
    const lookup = ['endpointlookup', 'workflowsearch'].includes(mailboxId);
    const named = lookup || token.mailboxId === mailboxId.toUpperCase();
    return !named || !(Math.abs(time - startedMs) <= 2 * MINUTE_MS);
  });
  note.check(
    'every token names the mailbox in capitals, and the time in UTC',
    wrong.length === 0,
    `${wrong.length} do not`,
  );
}

function connections(note: Note, all: readonly WireExchange[], environment: string): void {
  if (/^http:/i.test(environment)) {
    note.check('TLS 1.2 or later', false, 'plain HTTP');
    return;
  }
  const protocols = [...new Set(all.map(({ tlsProtocol }) => tlsProtocol ?? 'none'))];
  note.check(
    'TLS 1.2 or later',
    protocols.every((name) => name === 'TLSv1.2' || name === 'TLSv1.3'),
    protocols.join(', '),
  );
  note.check(
    'the server’s chain and name were verified',
    all.every(({ verified }) => verified === true),
  );
}

function handshakes(note: Note, stage: Stage, all: readonly WireExchange[]): void {
  const disabled = stage.options.disabled?.mailboxId.toUpperCase();
  const made = all.filter(({ method, path, mailboxId }) => method === 'POST' && path.endsWith(`/${mailboxId}`));
  const own = made.filter(({ mailboxId }) => mailboxId !== disabled);
  note.check('one handshake for each mailbox', own.length === stage.mailboxes.length, own.length);
  const wanted = ['mex-clientversion', 'mex-osname', 'mex-osversion', 'mex-osarchitecture'];
  const complete = made.every((each) => wanted.every((name) => requestHeader(each, name)));
  note.check('handshakes name client, operating system, version and architecture', complete);
}

/** "Download, then acknowledge at once": fetching again before acknowledging was a reported defect (DOMAIN.md 1.5). */
function downloads(note: Note, stage: Stage, all: readonly WireExchange[]): void {
  let again = 0;
  let late = 0;
  for (const id of stage.wire.own) {
    const got = downloadOf(all, id).filter(({ status }) => status === 200 || status === 206);
    if (got.length === 0) continue;
    if (new Set(got.map(({ path }) => path)).size !== got.length) again += 1;
    const put = acknowledgementsOf(all, id).find(({ status }) => status === 200);
    if (!put || put.number < (got.at(-1)?.number ?? 0)) late += 1;
  }
  note.check('no message was downloaded twice', again === 0, `${again} were`);
  note.check('every downloaded message was acknowledged after it was whole', late === 0, `${late} were not`);
}

function listings(note: Note, stage: Stage, all: readonly WireExchange[]): void {
  const { minimumListMs } = stage;
  if (minimumListMs === 0) return;
  let early = 0;
  for (const mailbox of stage.mailboxes) {
    const own = all.filter(({ method, path }) => method === 'GET' && path.includes(`/${mailbox.mailboxId}/inbox?`));
    early += own.filter((each, index) => {
      const before = own[index - 1];
      return before && each.startedMs - before.startedMs < minimumListMs && !each.path.includes('continue_from');
    }).length;
  }
  note.check(
    'inboxes listed every five minutes at most, but for pages behind full ones',
    early <= 1,
    `${early} earlier`,
  );
}
