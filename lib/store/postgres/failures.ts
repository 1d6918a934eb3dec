/** Failures of PostgreSQL or the way to it as errors that tell a person what to do. */
import { ConfigurationError, MeshError, StorageError } from '../../errors';
import { unexpectedError } from '../rules/errors';

/**
 * The SQLSTATE of a server's error (https://www.postgresql.org/docs/current/errcodes-appendix.html); undefined for
 * another.
 */
function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && 'severity' in (error as object) ? code : undefined;
}

/**
 * 57P01 to 57P05: the server shuts down, has crashed, is starting, or has ended the session. Class 08: the connection.
 * 53300: too many connections. 25006: it is read-only, as a standby is and the old primary after a failover. 25P03,
 * 25P04: it has ended a transaction that took too long. 57014: it has cancelled a statement (statement_timeout, or a
 * conflict with its recovery).
 */
const AWAY = /^(57P0[1-5]|57014|08...|53300|25006|25P03|25P04)$/;

/**
 * Whether the database cannot be reached, or the connection broke: the operation may be repeated on a new connection.
 * An error of the driver (no SQLSTATE) is always one of the connection.
 */
export function isAway(error: unknown): boolean {
  if (error instanceof MeshError) return false;
  const state = sqlState(error);
  return state === undefined ? isConnectionError(error) : AWAY.test(state);
}

/** Whether the transaction was rolled back because of another one: it may be repeated. */
export function isCollision(error: unknown): boolean {
  // serialization_failure, deadlock_detected, lock_not_available
  return ['40001', '40P01', '55P03'].includes(sqlState(error) ?? '');
}

/** Whether the server's certificate is missing or not trusted: a retry does not help. */
function isUntrusted(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code = '' } = error as { code?: string };
  return /^(CERT_|DEPTH_|SELF_|UNABLE_TO_|ERR_TLS_CERT)/.test(code) || /does not support SSL/.test(error.message);
}

function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error) || isUntrusted(error)) return false;
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string' && /^(E[A-Z]+|ERR_SSL|ERR_TLS)/.test(code)) return true;
  return /connection|timeout|not queryable|socket/i.test(error.message);
}

/** Any error as a MeshError. The cause keeps PostgreSQL's message, which names no value, and never the URL. */
export function asMeshError(error: unknown): MeshError {
  if (error instanceof MeshError) return error;
  const state = sqlState(error);
  const message = error instanceof Error ? error.message : String(error);
  const cause = new Error(state === undefined ? message : `${state}: ${message}`);
  if (isUntrusted(error)) {
    return new ConfigurationError(
      'The server of the store’s database does not prove its identity: its certificate is missing or not trusted.',
      {
        cause,
        advice:
          'Name the authority that signed it (PEM) as sslrootcert in the store’s URL, and the host as in the ' +
          'certificate; check that it has not expired and that TLS is switched on at the server (ssl = on).',
      },
    );
  }
  if (state === '25006') {
    return new StorageError('The database of the store is read-only at present: a standby, or a failover goes on.', {
      cause,
      advice:
        'Check that the store’s URL leads to the primary (after a failover: its new address, or all hosts in one URL). ' +
        'Nothing that was confirmed is lost; work resumes by itself.',
    });
  }
  if (isAway(error)) {
    return new StorageError('The database of the store cannot be reached.', {
      cause,
      advice: 'Check the database and the network to it. Nothing that was confirmed is lost; work resumes by itself.',
    });
  }
  switch (state?.slice(0, 2)) {
    case '53':
      return new StorageError('The database of the store cannot write: its disk or memory is full.', {
        cause,
        advice: 'Free space on the disk of the database. Nothing that was confirmed is lost.',
      });
    case '28':
    case '3D':
      return new ConfigurationError('The database of the store refuses the connection.', {
        cause,
        advice: 'Check user, password and database name in the store’s URL, and pg_hba.conf of the server.',
      });
    case '42':
    case '3F':
      return new ConfigurationError('A table of the store is missing, or its user has no right to it.', {
        cause,
        advice:
          'Give the user of the store’s URL the right to create its schema, or create it and make that user its owner.',
      });
    case 'XX':
      return new StorageError('The database of the store reports damage.', {
        cause,
        advice:
          'Stop Node-RED and have the database examined before anything else; restore the last backup if necessary.',
        passes: false,
      });
    case undefined:
    default:
      break;
  }
  if (isCollision(error)) {
    return new StorageError('The database of the store is busy: a lock was not available in time.', {
      cause,
      advice: 'Look for a session that keeps a transaction open (pg_stat_activity). Work resumes by itself after that.',
    });
  }
  return unexpectedError(cause);
}
