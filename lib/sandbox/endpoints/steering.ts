/** Our own admin endpoints: they control a sandbox in another process as its object does in the same process. */
import { z } from 'zod';
import { ConfigurationError } from '../../errors';
import { json } from '../response';
import { Refusal } from '../refusal';
import { jsonBody, param } from '../request';
import type { OpenHandler, Route } from '../router';
import { adminRoute, parse } from './admin';
import { listedMessage } from './admin-views';

const clockBody = z.union([
  z.strictObject({ set: z.iso.datetime({ offset: true }) }),
  z.strictObject({ advanceMs: z.number() }),
  z.strictObject({ passMs: z.number().positive() }),
]);

/** POST /admin/faults: the JSON of a SandboxFault; `times: null` means always. */
const addFault: OpenHandler = async (request, context) => {
  const fault = await jsonBody(request);
  orRefuse(() => context.faults.add(fault));
  return json(200, { message: 'fault armed' });
};

/** DELETE /admin/faults */
const clearFaults: OpenHandler = (_request, context) => {
  context.faults.clear();
  return json(200, { message: 'faults cleared' });
};

/**
 * POST /admin/clock: `{"set": "2026-01-31T12:00:00Z"}`, `{"advanceMs": 60000}`, or `{"passMs": 432060000}`, five days
 * later for the messages, after which the clock is as before. GET: the time.
 */
const moveClock: OpenHandler = async (request, context) => {
  const body = parse(clockBody, await jsonBody(request));
  orRefuse(() => {
    if ('set' in body) context.clock.set(new Date(body.set));
    else if ('advanceMs' in body) context.clock.advance(body.advanceMs);
    else context.clock.pass(body.passMs);
  });
  return json(200, { now: context.clock.now().toISOString() });
};

const readClock: OpenHandler = (_request, context) => json(200, { now: context.clock.now().toISOString() });

/** PUT /admin/services/:service: the JSON of a ServiceSettings, which replaces what was set before. */
const setService: OpenHandler = async (request, context) => {
  const settings = await jsonBody(request);
  orRefuse(() => context.services.set(param(request, 'service'), settings));
  return json(200, { message: 'service set' });
};

/** GET /admin/log: the same lists as Sandbox.messages, Sandbox.requests and Sandbox.serviceNotes. */
const log: OpenHandler = (_request, context) =>
  json(200, {
    messages: [...context.messages.all()].map(listedMessage),
    requests: context.log.list(),
    services: context.services.notes(),
  });

function orRefuse(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (error instanceof ConfigurationError) throw new Refusal(400, error.message);
    throw error;
  }
}

export const steeringRoutes: Route[] = [
  ...adminRoute('POST', '/faults', addFault),
  ...adminRoute('DELETE', '/faults', clearFaults),
  ...adminRoute('POST', '/clock', moveClock),
  ...adminRoute('GET', '/clock', readClock),
  ...adminRoute('PUT', '/services/:service', setService),
  ...adminRoute('GET', '/log', log),
];
