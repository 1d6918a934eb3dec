/** What the admin endpoints answer: JSON, never kept by a browser or a proxy; errors as a user may see them. */
import type { Response } from 'express';
import type { NodeAPI } from 'node-red';
import { ForbiddenError, NoSuchMailboxError } from './errors';
import { errorDetails } from '../shared/report-error';
import { sharedText } from '../shared/texts';

/** Of errors that the caller can do something about; any other is 500. */
const STATUS: Readonly<Record<string, number>> = {
  MESH_NOT_FOUND: 404,
  MESH_INVALID_MESSAGE: 400,
  MESH_CONFIGURATION: 409,
  MESH_PAYLOAD: 409,
  MESH_TOO_LARGE: 413,
  MESH_OUTBOX_FULL: 507,
  MESH_STORAGE: 507,
};

/** Headers of every answer: nothing is kept, guessed or run. */
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

/** `{ error: { code, message, advice } }`. Once the answer has begun it can only be broken off. */
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
