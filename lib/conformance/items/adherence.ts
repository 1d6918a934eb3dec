/** 802: adherence to the specification, checked on every request of the run. */
import type { Item, Evidence } from '../item';
import type { RunContext } from '../run-context';
import type { WireExchange } from '../wire-log';
import { acknowledgementsOf, downloadOf, requestHeader } from '../wire-queries';

const MINUTE_MS = 60_000;

export const adherence: Item = {
  id: '802',
  title: 'Every request of the run adheres to the specification',
  run: async (context, evidence) => {
    const { all } = context.wire;
    evidence.check('the run made requests', all.length > 0, all.length);
    tokens(evidence, all);
    connections(evidence, all, context.options.connection.environment);
    handshakes(evidence, context, all);
    downloads(evidence, context, all);
    listings(evidence, context, all);
    const accepts = all.filter((each) => requestHeader(each, 'accept') !== 'application/vnd.mesh.v2+json');
    evidence.check('every request asks for version 2 of the API', accepts.length === 0, `${accepts.length} do not`);
    const anonymous = all.filter((each) => !requestHeader(each, 'user-agent'));
    evidence.check('every request names the client and its version (User-Agent)', anonymous.length === 0);
  },
};

function tokens(evidence: Evidence, all: readonly WireExchange[]): void {
  const digests = new Set(all.map(({ tokenDigest }) => tokenDigest));
  evidence.check('every request has its own token', digests.size === all.length && !digests.has(undefined));
  const wrong = all.filter(({ token, mailboxId, startedMs }) => {
    if (!token) return true;
    const [, year, month, day, hour, minute] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(token.timestamp) ?? [];
    const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:00Z`);
    const lookup = ['endpointlookup', 'workflowsearch'].includes(mailboxId);
    const named = lookup || token.mailboxId === mailboxId.toUpperCase();
    return !named || !(Math.abs(time - startedMs) <= 2 * MINUTE_MS);
  });
  evidence.check(
    'every token has the mailbox in capitals and the time in UTC',
    wrong.length === 0,
    `${wrong.length} do not`,
  );
}

function connections(evidence: Evidence, all: readonly WireExchange[], environment: string): void {
  if (/^http:/i.test(environment)) {
    evidence.check('TLS 1.2 or later', false, 'plain HTTP');
    return;
  }
  const protocols = [...new Set(all.map(({ tlsProtocol }) => tlsProtocol ?? 'none'))];
  evidence.check(
    'TLS 1.2 or later',
    protocols.every((name) => name === 'TLSv1.2' || name === 'TLSv1.3'),
    protocols.join(', '),
  );
  evidence.check(
    'the server’s certificate chain and name were verified',
    all.every(({ verified }) => verified === true),
  );
}

function handshakes(evidence: Evidence, context: RunContext, all: readonly WireExchange[]): void {
  const disabled = context.options.disabled?.mailboxId.toUpperCase();
  const made = all.filter(({ method, path, mailboxId }) => method === 'POST' && path.endsWith(`/${mailboxId}`));
  const own = made.filter(({ mailboxId }) => mailboxId !== disabled);
  evidence.check('each mailbox made one handshake', own.length === context.mailboxes.length, own.length);
  const required = ['mex-clientversion', 'mex-osname', 'mex-osversion', 'mex-osarchitecture'];
  const complete = made.every((each) => required.every((name) => requestHeader(each, name)));
  evidence.check('every handshake names the client, operating system, version and architecture', complete);
}

/**
 * "Download, then acknowledge at once": fetching again before acknowledging was a reported defect (docs/mesh.md,
 * Acknowledging).
 */
function downloads(evidence: Evidence, context: RunContext, all: readonly WireExchange[]): void {
  let repeated = 0;
  let late = 0;
  for (const id of context.wire.own) {
    const got = downloadOf(all, id).filter(({ status }) => status === 200 || status === 206);
    if (got.length === 0) continue;
    if (new Set(got.map(({ path }) => path)).size !== got.length) repeated += 1;
    const put = acknowledgementsOf(all, id).find(({ status }) => status === 200);
    if (!put || put.number < (got.at(-1)?.number ?? 0)) late += 1;
  }
  evidence.check('no message was downloaded twice', repeated === 0, `${repeated} were`);
  evidence.check('every message was acknowledged once its download was complete', late === 0, `${late} were not`);
}

function listings(evidence: Evidence, context: RunContext, all: readonly WireExchange[]): void {
  const { minimumListMs } = context;
  if (minimumListMs === 0) return;
  let early = 0;
  for (const mailbox of context.mailboxes) {
    const own = all.filter(({ method, path }) => method === 'GET' && path.includes(`/${mailbox.mailboxId}/inbox?`));
    early += own.filter((each, index) => {
      const before = own[index - 1];
      return before && each.startedMs - before.startedMs < minimumListMs && !each.path.includes('continue_from');
    }).length;
  }
  evidence.check(
    'inboxes were listed at most every five minutes, except for the pages after a full one',
    early <= 1,
    `${early} earlier`,
  );
}
