/** The step for our own client certificate and the CA; it needs no connection. */
import { CERTIFICATE_SOON_DAYS, clientCertificate } from '../client/client-certificate';
import { findAuthorityOutOfDate, findCertificateProblem, sentence } from '../client/usable-certificates';
import { ENVIRONMENTS, type MailboxConfig } from '../config';
import { passed, skipped, warned, type Finding } from './steps';

const DAY_MS = 24 * 60 * 60 * 1000;
const RENEW = 'Request a new one for this environment, and put it into the TLS configuration.';

/** `local_id.ods_code.api.mesh-client.nhs.uk` (mesh-api.yaml, "Get a TLS certificate"). */
const COMMON_NAME = /^[^.]+\.([^.]+)\.api\.mesh-client\.nhs\.uk$/i;

/** Checks that the certificate can be used, belongs to its key, is within its dates and names this organisation. */
export function checkOwnCertificate(config: Pick<MailboxConfig, 'url' | 'tls' | 'mailboxId'>): Finding {
  const { url, tls, mailboxId } = config;
  if (url.protocol === 'http:') return skipped('Not needed: the address begins with http.');
  const problem = findCertificateProblem(tls);
  if (problem) return fail(sentence(problem.text), problem.advice);
  if (tls.cert === undefined && tls.pfx === undefined) return none(url);
  const certificate = clientCertificate(tls);
  if (!certificate) return fail('The client certificate cannot be read.', 'Check that the file is PEM, or PFX.');
  const { commonName, validFrom, validTo } = certificate;
  const [from, to, name] = [day(validFrom), day(validTo), printable(commonName)];
  if (Date.parse(validTo) <= Date.now()) return fail(`The client certificate ${name} expired on ${to}.`, RENEW);
  if (Date.parse(validFrom) > Date.now()) {
    return fail(`The client certificate ${name} is not valid before ${from}.`, 'Check this machine’s clock.');
  }
  const odsCode = COMMON_NAME.exec(commonName)?.[1];
  if (odsCode === undefined) {
    return warned(
      `The client certificate ${name} is valid until ${to}, but its name does not have MESH’s form.`,
      'MESH’s certificates are named local_id.ods_code.api.mesh-client.nhs.uk: check that it is the right one.',
    );
  }
  if (!mailboxId.startsWith(odsCode.toUpperCase())) {
    return warned(
      `The client certificate ${name} is valid until ${to}, but names another organisation than ${mailboxId}’s.`,
      'Check that it was issued for this mailbox’s organisation; another’s works only if the two belong together.',
    );
  }
  if (Date.parse(validTo) - Date.now() < CERTIFICATE_SOON_DAYS * DAY_MS) {
    return warned(`The client certificate ${name} expires on ${to}.`, RENEW);
  }
  const authority = findAuthorityOutOfDate(tls);
  if (authority) return warned(sentence(authority.text), authority.advice);
  return passed(`The client certificate ${name} belongs to its key and is valid until ${to}.`);
}

function none(url: URL): Finding {
  const isNhs = Object.values(ENVIRONMENTS).some((environment) => new URL(environment).host === url.host);
  return isNhs
    ? fail('There is no client certificate, and MESH requires one.', 'Choose a TLS configuration that has it.')
    : skipped('There is no client certificate; NHS England’s environments require one.');
}

function fail(text: string, advice: string): Finding {
  return { outcome: 'failed', text, advice };
}

/** Formats a date for a text: `2026-01-31`. */
export function day(time: string | number): string {
  return new Date(time).toISOString().slice(0, 10);
}

function printable(name: string): string {
  return name === '' ? '(without a name)' : name.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}
