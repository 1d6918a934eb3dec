/** Responses of the admin endpoints: JSON that no browser or proxy stores, and errors in words for the user. */
import type { Response } from 'express';
import type { NodeAPI } from 'node-red';
import { ForbiddenError, NoSuchMailboxError } from './errors';
import { errorDetails } from '../shared/report-error';
import { sharedText } from '../shared/texts';

/** Status by error code, for errors that the caller can act on; any other is 500. */
const STATUS: Readonly<Record<string, number>> = {
  MESH_NOT_FOUND: 404,
  MESH_INVALID_MESSAGE: 400,
  MESH_CONFIGURATION: 409,
  MESH_PAYLOAD: 409,
  MESH_TOO_LARGE: 413,
  MESH_OUTBOX_FULL: 507,
  MESH_STORAGE: 507,
};

/** Sets the headers of every response: it is not stored, its type not guessed, and nothing in it runs. */
export function safeHeaders(response: Response): void {
  response.set({
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "default-src 'none'; sandbox",
    'Referrer-Policy': 'no-referrer',
  });
}

export function sendJson(response: Response, status: number, value: unknown): void {
  safeHeaders(response);
  response.status(status).json(value);
}

/** Sends `{ error: { code, message, advice } }`. A response that has begun is aborted instead. */
export function sendError(RED: NodeAPI, response: Response, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  if (error instanceof ForbiddenError) {
    const key = error.reason;
    sendJson(response, 403, {
      error: {
        code: 'MESH_FORBIDDEN',
        message: sharedText(RED, `admin.${key}`),
        advice: sharedText(RED, `admin.${key}-advice`),
      },
    });
    return;
  }
  if (error instanceof NoSuchMailboxError) {
    sendJson(response, 404, { error: { code: 'MESH_NOT_FOUND', message: sharedText(RED, 'admin.no-mailbox') } });
    return;
  }
  const details = errorDetails(RED, error);
  sendJson(response, STATUS[details.code] ?? 500, { error: details });
}
