/** What PostgreSQL or the way to it refused, as an error that tells a person what to do. */
import { AbortedError, ConfigurationError, MeshError, StorageError } from '../../errors';

/** The SQLSTATE of a server's error (https://www.postgresql.org/docs/current/errcodes-appendix.html); else undefined. */
function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && 'severity' in (error as object) ? code : undefined;
}

/** 57P01 to 57P03: the server shuts down, has crashed, or is starting. Class 08: the connection. 53300: too many of them. */
const AWAY = /^(57P0[1-5]|08...|53300|25P03|25P04)$/;

/**
 * Whether the database is away, or the connection broke: the same may be asked again of a new connection. An error of the
 * driver (no SQLSTATE) is always one of the connection.
 */
export function isAway(error: unknown): boolean {
  if (error instanceof MeshError) return false;
  const state = sqlState(error);
  return state === undefined ? isConnectionError(error) : AWAY.test(state);
}

/** Other transactions were in the way, and this one was rolled back for it: it may be done again. */
export function isCollision(error: unknown): boolean {
  // serialization_failure, deadlock_detected, lock_not_available
  return ['40001', '40P01', '55P03'].includes(sqlState(error) ?? '');
}

/** The server is not who its certificate has to say, or has none: trying again mends nothing. */
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

/** Any error as one of ours. The cause keeps PostgreSQL's message, which names no value, and never the URL. */
export function asMeshError(error: unknown): MeshError {
  if (error instanceof MeshError) return error;
  const state = sqlState(error);
  const said = error instanceof Error ? error.message : String(error);
  const cause = new Error(state === undefined ? said : `${state}: ${said}`);
  if (isUntrusted(error)) {
    return new ConfigurationError(
      'The server of the store’s database does not prove who it is: its certificate is missing, or not trusted.',
      {
        cause,
        advice:
          'Name the authority that signed it (PEM) as sslrootcert in the store’s URL, and the host as the certificate has it; ' +
          'see that it has not expired and that the server has TLS switched on (ssl = on).',
      },
    );
  }
  if (isAway(error)) {
    return new StorageError('The database of the store cannot be reached.', {
      cause,
      advice: 'Look at the database and the network to it. Nothing that was confirmed is lost; it goes on by itself.',
    });
  }
  switch (state?.slice(0, 2)) {
    case '53':
      return new StorageError('The database of the store has no room: disk or memory is full.', {
        cause,
        advice: 'Make room on the disk of the database. Nothing that was confirmed is lost.',
      });
    case '28':
    case '3D':
      return new ConfigurationError('The database of the store does not let us in.', {
        cause,
        advice: 'Check user, password and database name of the store’s URL, and pg_hba.conf of the server.',
      });
    case '42':
    case '3F':
      return new ConfigurationError('The database of the store lacks a table, or a right to it.', {
        cause,
        advice:
          'Give the user of the store’s URL the right to create its schema, or create it and make the user its owner.',
      });
    case 'XX':
      return new StorageError('The database of the store reports damage.', {
        cause,
        advice:
          'Stop Node-RED and have the database looked at before anything else; restore the last backup if need be.',
      });
    case undefined:
    default:
      break;
  }
  if (isCollision(error)) {
    return new StorageError('The database of the store is busy: a lock was not to be had in time.', {
      cause,
      advice: 'Look for a session that holds a transaction open (pg_stat_activity). It goes on by itself after that.',
    });
  }
  return new StorageError('The store failed.', { cause, advice: 'Report this with the cause from the log.' });
}

/** Asked after the close. */
export function closedError(): MeshError {
  return new AbortedError('The store is closed.', { advice: 'Wait until the mailbox is open again.' });
}
